"""Scores: how much a weight matters. The weights with the lowest scores are pruned."""

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning
from lth.pruning.scores.registry import SCORES, Score, score

__all__ = ["SCORES", "Score", "check_score", "score", "score_of", "steps_of"]


def score_of(pruning: Pruning) -> Score:
    """The score of `pruning`; SettingError naming the nearest one where there is none of that name."""
    return SCORES.get(pruning.score, "pruning.score")


def steps_of(pruning: Pruning) -> int:
    """How often one pruning computes the score."""
    return pruning.steps or score_of(pruning).steps


def check_score(pruning: Pruning) -> None:
    """Raises SettingError for an unknown score, and for one that lacks its inputs where it is computed."""
    needs = score_of(pruning).needs
    if "initial" in needs and pruning.score_at == "init":
        problem = "compares trained weights with initial ones, and with pruning.score_at=init nothing is trained"
        raise SettingError("pruning.score", pruning.score, problem)
    if pruning.schedule == "gradual" and needs:
        names = [name for name in SCORES if not SCORES.get(name, "pruning.score").needs]
        problem = f"cannot be computed during training: with schedule=gradual use one of {', '.join(names)}"
        raise SettingError("pruning.score", pruning.score, problem)
