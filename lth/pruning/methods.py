"""Methods that find a mask, before training or after it, as Frankle et al. 2021 compare them. Imports no torch."""

from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning


@dataclass(frozen=True)
class Method:
    """What tells a method apart: its score, what the score is taken of, how levels follow each other.

    meaning: what pages and captions say of it.
    """

    score: str
    score_at: str
    schedule: str
    meaning: str

    def word(self) -> str:
        """What the column `schedule` of the results calls it: how its masks come about."""
        return self.schedule if self.score_at == "trained" else f"{self.score}_at_init"


def _at_init(score: str, meaning: str) -> Method:
    return Method(score, "init", "one_shot", f"{meaning}, before any training")


METHODS = {
    "imp": Method("magnitude", "trained", "iterative", "the smallest trained weights, level by level, with rewinding"),
    "magnitude_after": Method(
        "magnitude", "trained", "one_shot", "the smallest weights of the trained dense network, all at once"
    ),
    "synflow": _at_init("synflow", "the least synaptic flow, in 100 steps and without data (Tanaka et al. 2020)"),
    "snip": _at_init("snip", "the least effect on the loss, |weight x gradient| (Lee et al. 2019)"),
    "grasp": _at_init("grasp", "what holds the gradient flow back most (Wang et al. 2020)"),
    "grasp_magnitude": _at_init("grasp_magnitude", "the least effect on the gradient flow, up or down"),
    "magnitude": _at_init("magnitude", "the smallest initial weights"),
    "random": _at_init("random", "weights by chance, from all layers together"),
}
SETTLED = ("score", "score_at", "schedule")
"""The keys of a pruning that a method settles."""


def check_methods(methods: list[str], pruning: Pruning) -> None:
    """Raises SettingError for a method that there is not or twice, and for a `pruning` that says what methods say."""
    if not methods:
        raise SettingError("methods", methods, f"must name at least one of {', '.join(METHODS)}")
    for number, name in enumerate(methods):
        if name not in METHODS:
            raise SettingError("methods", name, f"unknown; known: {', '.join(METHODS)}")
        if name in methods[:number]:
            raise SettingError("methods", name, "is named twice")
    for key in SETTLED:
        if getattr(pruning, key) != getattr(Pruning(), key):
            raise SettingError(
                f"pruning.{key}", getattr(pruning, key), "is what each of the methods says: leave it out"
            )


def pruning_of(method: str, pruning: Pruning) -> Pruning:
    """`pruning` by `method`: as many weights at each level, and for all methods the same scope and shape."""
    found = METHODS[method]
    return replace(pruning, score=found.score, score_at=found.score_at, schedule=found.schedule)


def method_of(word: str) -> str:
    """The method that the column `schedule` calls `word`; the word itself where it is none's."""
    return next((name for name, method in METHODS.items() if method.word() == word), word)
