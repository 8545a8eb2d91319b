"""The registry of pruning scores, and the decorator that makes a function a score."""

import hashlib
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import overload

from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.reading import read_bytes
from lth.core.registry import Registry
from lth.pruning.scores.inputs import ScoreInputs

Scores = dict[str, Tensor]
"""A number for each weight, by layer and of the layer's shape; the lowest are pruned."""

ScoreFunction = Callable[[ScoreInputs], Scores]

NEEDS = ("initial", "network", "examples")
"""What a score may need besides the weights: the initial weights, the network, training examples."""


@dataclass(frozen=True)
class Score:
    """A pruning score: how much each weight matters.

    needs: what it is computed from besides the weights, some of NEEDS. steps: how often one pruning computes it anew on
    what is left, unless `pruning.steps` says otherwise.
    """

    name: str
    function: ScoreFunction
    needs: frozenset[str] = frozenset()
    steps: int = 1

    def __call__(self, inputs: ScoreInputs) -> Scores:
        """The scores of `inputs`; LotteryError where they lack what the score needs, or it misses a weight."""
        if "initial" in self.needs and inputs.initial is None:
            raise LotteryError(f"the score {self.name} needs the weights that training began with: not given")
        if self.needs & {"network", "examples"} and inputs.network is None:
            raise LotteryError(f"the score {self.name} needs the network and training examples: not given")
        scores = self.function(inputs)
        for name, weight in inputs.weights.items():
            if name not in scores or scores[name].shape != weight.shape:
                shape = tuple(scores[name].shape) if name in scores else "none"
                raise LotteryError(f"the score {self.name} gives {shape} for {name} of shape {tuple(weight.shape)}")
        return scores

    @property
    def meaning(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or "").split("\n")[0]

    @property
    def custom(self) -> bool:
        """Whether it is defined outside this package."""
        return self.function.__module__.split(".")[0] != "lth"

    @property
    def source(self) -> str:
        """A hash of the file that defines it, or of its own code where there is no file, as in a console."""
        try:
            content = read_bytes(inspect.getfile(self.function))
        except (TypeError, OSError):
            code = self.function.__code__
            content = f"{code.co_code.hex()} {code.co_names}".encode()
        return hashlib.sha256(content).hexdigest()[:20]


@overload
def score(function: ScoreFunction, /) -> Score: ...
@overload
def score(*, needs: Collection[str] = (), steps: int = 1) -> Callable[[ScoreFunction], Score]: ...
def score(
    function: ScoreFunction | None = None, /, *, needs: Collection[str] = (), steps: int = 1
) -> Score | Callable[[ScoreFunction], Score]:
    """Makes a function from ScoreInputs to a number for each weight, by layer, a pruning score.

    needs: some of `initial` (the weights that training began with), `network` and `examples` (the training data);
    steps: how often one pruning computes it. `pruning.score=my.module:inverse` then prunes by it, and so does a name of
    the entry point group `lth.scores`.

    >>> @score
    ... def inverse(inputs):
    ...     return {name: 1 / weight.abs() for name, weight in inputs.weights.items()}
    >>> inverse.name, sorted(inverse.needs)
    ('inverse', [])
    """
    if unknown := set(needs) - set(NEEDS):
        raise ValueError(f"a score cannot need {', '.join(sorted(unknown))}; known: {', '.join(NEEDS)}")

    def decorate(function: ScoreFunction) -> Score:
        return Score(function.__name__, function, frozenset(needs), steps)

    return decorate if function is None else decorate(function)


def _load() -> None:
    from lth.pruning.scores import saliency, weights

    for module in (weights, saliency):
        for thing in vars(module).values():
            if isinstance(thing, Score):
                SCORES.add(thing.name, thing)


def _make(thing: object, name: str) -> Score:
    if not isinstance(thing, Score):
        raise SettingError("pruning.score", name, "is no score: decorate the function with @lth.score")
    return replace(thing, name=name)


SCORES: Registry[Score] = Registry("score", "lth.scores", load=_load, make=_make)
