"""Exactly the asked count goes, and what is pruned never returns."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import LotteryError
from lth.core.weights import clone
from lth.pruning.mask import density, kept
from lth.pruning.select import global_, highest, layerwise

SCORE = st.sampled_from([0.0, -0.0, 0.5, 1.0, math.inf, -1.0, 1e-40])


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Scores with many ties, an alive mask of their shape, and how many of the alive to keep."""
    size = draw(st.integers(0, 24))
    scores = torch.tensor(draw(st.lists(SCORE, min_size=size, max_size=size)))
    alive = torch.tensor(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=torch.bool)
    return scores, alive, draw(st.integers(0, int(alive.sum())))


@given(cases())
def test_exactly_the_asked_count_stays_out_of_the_alive(case: tuple) -> None:
    scores, alive, keep = case
    mask = highest(scores, alive, keep)
    assert mask.dtype == torch.bool and mask.shape == alive.shape
    assert int(mask.sum()) == keep and not bool((mask & ~alive).any())


@given(cases())
def test_no_pruned_score_is_above_a_kept_one(case: tuple) -> None:
    scores, alive, keep = case
    mask = highest(scores, alive, keep)
    gone = alive & ~mask
    if mask.any() and gone.any():
        assert scores[gone].max() <= scores[mask].min()


@given(cases())
def test_ties_go_by_position_whatever_the_rest(case: tuple) -> None:
    """Among equal scores, the later places stay: the naive reference sorts (score, place)."""
    scores, alive, keep = case
    places = sorted(alive.nonzero().flatten().tolist(), key=lambda place: (scores[place].item(), place))
    assert highest(scores, alive, keep).nonzero().flatten().tolist() == sorted(places[len(places) - keep :])


def test_all_scores_equal_still_removes_one() -> None:
    mask = highest(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool), 5)
    assert mask.tolist() == [[False, True, True], [True, True, True]]


@given(cases(), st.integers(0, 24))
def test_keeping_more_keeps_the_same_and_more(case: tuple, fewer: int) -> None:
    scores, alive, keep = case
    small, large = highest(scores, alive, min(fewer, keep)), highest(scores, alive, keep)
    assert not bool((small & ~large).any())


@pytest.mark.parametrize("keep", [-1, 3])
def test_a_count_that_cannot_be_kept_is_an_error(keep: int) -> None:
    with pytest.raises(LotteryError, match=f"keep {keep} of 2"):
        highest(torch.ones(3), torch.tensor([True, False, True]), keep)


def test_nan_is_an_error_where_alive_and_nowhere_else() -> None:
    scores = torch.tensor([1.0, float("nan"), 2.0])
    with pytest.raises(LotteryError, match="NaN"):
        highest(scores, torch.ones(3, dtype=torch.bool), 2)
    assert highest(scores, torch.tensor([True, False, True]), 1).tolist() == [False, False, True]


def test_a_pruned_weight_never_returns_whatever_its_score() -> None:
    mask = {"w": torch.tensor([True, False, True, True])}
    scores = {"w": torch.tensor([1.0, 99.0, 2.0, 3.0])}
    assert layerwise(scores, mask, {"w": 2})["w"].tolist() == [False, False, True, True]
    assert global_(scores, mask, 2)["w"].tolist() == [False, False, True, True]


def test_layerwise_counts_by_layer_global_over_all() -> None:
    scores = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "b": torch.tensor([10.0, 20.0, 30.0, 40.0])}
    mask = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    assert kept(layerwise(scores, mask, {"a": 2, "b": 2})) == {"a": 2, "b": 2}
    together = global_(scores, mask, 4)
    assert kept(together) == {"a": 0, "b": 4} and together["a"].shape == (2, 2)


@given(st.integers(1, 12))
def test_global_is_one_ranking_and_prunes_exactly(keep: int) -> None:
    scores = {"a": torch.ones(2, 3), "b": torch.ones(6)}  # all tied, across layers too
    mask = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    joined = torch.cat([part.flatten() for part in global_(scores, mask, keep).values()])
    assert joined.tolist() == [False] * (12 - keep) + [True] * keep


def test_selection_changes_neither_scores_nor_mask() -> None:
    scores, mask = {"w": torch.rand(5)}, {"w": torch.ones(5, dtype=torch.bool)}
    before = clone(scores)
    for result in (layerwise(scores, mask, {"w": 2}), global_(scores, mask, 2)):
        result["w"].zero_()
    assert torch.equal(scores["w"], before["w"]) and density(mask) == 1
