"""Scores: how much a weight matters. The lowest scores are pruned."""

from collections.abc import Callable

from torch import Tensor

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning
from lth.pruning.scores import saliency, weights
from lth.pruning.scores.inputs import ScoreInputs

Score = Callable[[ScoreInputs], dict[str, Tensor]]
"""What it is taken from -> a score by weight, by layer and of its shape."""

_ALL: tuple[Score, ...] = (*weights.OF_ONE, *weights.OF_BOTH, *saliency.OF_NETWORK)
SCORES: dict[str, Score] = {score.__name__: score for score in _ALL}
COMPARING = tuple(score.__name__ for score in weights.OF_BOTH)
"""The scores that need the initial weights beside the trained ones."""
OF_NETWORK = tuple(score.__name__ for score in saliency.OF_NETWORK)
"""The scores that need the network and training examples."""
OF_DATA = tuple(name for name in OF_NETWORK if name != saliency.synflow.__name__)
"""Those of them that look at the examples themselves, not only at their shape."""
IN_TRAINING = ("magnitude", "random", "large_final", "small_final")
"""The scores that schedule=gradual can take while a network is trained."""


def check_score(pruning: Pruning) -> None:
    """Raises SettingError for a score that there is not, or that has nothing to look at where it is taken."""
    score = pruning.score
    if score not in SCORES:
        raise SettingError("pruning.score", score, f"must be one of {', '.join(SCORES)}")
    if score in COMPARING and pruning.score_at == "init":
        problem = "compares trained weights with initial ones, and with pruning.score_at=init nothing is trained"
        raise SettingError("pruning.score", score, problem)
    if pruning.schedule == "gradual" and score not in IN_TRAINING:
        problem = f"cannot be taken in training: with schedule=gradual use one of {', '.join(IN_TRAINING)}"
        raise SettingError("pruning.score", score, problem)


def steps_of(pruning: Pruning) -> int:
    """How often the score is taken within one pruning."""
    return pruning.steps or saliency.STEPS.get(pruning.score, 1)
