"""Methods that find a mask, before training or after it, as Frankle et al. 2021 compare them. Imports no torch."""

from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.core.registry import nearest
from lth.pruning.schedule import Pruning


@dataclass(frozen=True)
class Method:
    """What defines a method: its score, the weights that are scored (`trained` or `init`), and its schedule.

    meaning: its description on pages and in captions.
    """

    score: str
    score_at: str
    schedule: str
    meaning: str

    def word(self) -> str:
        """The column `schedule` of its results."""
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
    "grasp": _at_init("grasp", "the weights that reduce the gradient flow most (Wang et al. 2020)"),
    "grasp_magnitude": _at_init("grasp_magnitude", "the least effect on the gradient flow, up or down"),
    "magnitude": _at_init("magnitude", "the smallest initial weights"),
    "random": _at_init("random", "weights by chance, from all layers together"),
}
DEFINING = ("score", "score_at", "schedule")
"""The fields of a pruning that a method defines."""


def check_methods(methods: list[str], pruning: Pruning) -> None:
    """Raises SettingError for an unknown or repeated method, and for a `pruning` that sets what methods define."""
    if not methods:
        raise SettingError("methods", methods, f"must name at least one of {', '.join(METHODS)}")
    for number, name in enumerate(methods):
        if name not in METHODS:
            raise SettingError("methods", name, f"is no method; {nearest(name, METHODS)}")
        if name in methods[:number]:
            raise SettingError("methods", name, "is named twice")
    for key in DEFINING:
        if getattr(pruning, key) != getattr(Pruning(), key):
            raise SettingError(f"pruning.{key}", getattr(pruning, key), "is defined by each method: leave it out")


def pruning_of(method: str, pruning: Pruning) -> Pruning:
    """`pruning` by `method`; level counts, scope and granularity are the same for all methods."""
    chosen = METHODS[method]
    return replace(pruning, score=chosen.score, score_at=chosen.score_at, schedule=chosen.schedule)


def method_of(word: str) -> str:
    """The method whose results have `word` in the column `schedule`; `word` itself where there is none."""
    return next((name for name, method in METHODS.items() if method.word() == word), word)
