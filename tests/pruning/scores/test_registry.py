"""Scores from outside: found by path and by entry point, checked, and part of what a training depends on."""

import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import nn

import lth
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.pruning.gradual import GradualCounts
from lth.pruning.schedule import Pruning
from lth.pruning.scores import SCORES, check_score, score_of, steps_of
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.select import Selection

MODULE = """
import lth

@lth.score
def inverse(inputs):
    "1 / |w|: the largest weights go first."
    return {name: 1 / weight.abs() for name, weight in inputs.weights.items()}

@lth.score(needs=["initial"], steps=3)
def drift(inputs):
    return inputs.compared(lambda trained, initial: (trained - initial).abs())

@lth.score
def half(inputs):
    return {name: weight[:1] for name, weight in inputs.weights.items()}

def plain(inputs):
    return inputs.weights
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module outside lth with scores; forgotten afterwards."""
    (tmp_path / "my_scores.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(SCORES, "_known", {name: SCORES.get(name, "score") for name in SCORES})
    monkeypatch.delitem(sys.modules, "my_scores", raising=False)
    return "my_scores"


def test_a_dotted_path_is_a_score(module: str) -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    mask = lth.prune(model, 0.25, score=f"{module}:inverse")
    weight = model[0].weight.detach().abs()
    assert int(mask["0.weight"].sum()) == 18 and weight[mask["0.weight"]].max() <= weight[~mask["0.weight"]].min()
    drift = score_of(Pruning(score=f"{module}:drift"))
    assert drift.needs == {"initial"} and drift.custom and drift.name == f"{module}:drift"
    assert steps_of(Pruning(score=f"{module}:drift")) == 3 and steps_of(Pruning(score=f"{module}:drift", steps=2)) == 2
    assert score_of(Pruning(score=f"{module}:inverse")).meaning == "1 / |w|: the largest weights go first."


def test_what_a_score_needs_is_checked_wherever_it_comes_from(module: str) -> None:
    with pytest.raises(SettingError, match=r"pruning\.score=my_scores:drift: compares trained weights with initial"):
        check_score(Pruning(score=f"{module}:drift", score_at="init"))
    with pytest.raises(SettingError, match=r"pruning\.score=my_scores:drift: cannot be computed during training"):
        check_score(Pruning(score=f"{module}:drift", schedule="gradual"))
    with pytest.raises(LotteryError, match="needs the weights that training began with: give initial="):
        lth.prune(nn.Linear(4, 4), 0.5, score=f"{module}:drift")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("my_scores:plain", "is no score: decorate the function with @lth.score"),
        ("my_scores:nothing", "cannot be imported"),
        ("no_such_module:score", "cannot be imported"),
        ("snap", r"is no score; did you mean snip\? known: magnitude"),
    ],
)
def test_what_is_no_score_is_one_line(module: str, name: str, problem: str) -> None:
    with pytest.raises(SettingError, match=rf"pruning\.score={name}: {problem}"):
        check_score(Pruning(score=name))


def test_scores_that_miss_a_weight_are_named(module: str) -> None:
    inputs = ScoreInputs({"w": torch.ones(2, 3)}, {"w": torch.ones(2, 3).bool()}, rng(0))
    with pytest.raises(LotteryError, match=r"the score my_scores:half gives \(1, 3\) for w of shape \(2, 3\)"):
        SCORES.get(f"{module}:half", "score")(inputs)


def test_an_entry_point_is_a_score(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("inverted", f"{module}:inverse", "lth.scores")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "lth.scores" else [])
    assert "inverted" in SCORES and score_of(Pruning(score="inverted")).name == "inverted"


def test_a_score_cannot_need_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="a score cannot need labels; known: initial, network, examples"):
        lth.score(needs=["labels"])


def test_a_gradual_training_by_a_score_from_outside_depends_on_its_code(module: str, tmp_path: Path) -> None:
    """A score that is edited is another training; its random draws, if any, are those of the mask's seed."""
    update = GradualCounts(f"{module}:inverse", Selection({"w": ["w"]}), {"w": 2}, 5, 20, 5)
    before = update.fingerprint()
    assert update.draws and before["score"] == "my_scores:inverse"
    path = tmp_path / "my_scores.py"
    path.write_text(path.read_text().replace("1 / weight", "2 / weight"))
    assert update.fingerprint()["source"] != before["source"]
