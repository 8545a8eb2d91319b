"""Accuracy is a count over a count, the last batch too."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.core.errors import LotteryError
from lth.core.weights import clone, digest
from lth.data.tensors import Data, Split
from lth.training.evaluate import CHUNK, evaluate


class Given(nn.Module):
    """Gives its input back as logits."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


@pytest.mark.parametrize("count", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 11])
def test_a_score_counts_every_example(count: int) -> None:
    logits, labels = torch.randn(count, 3), torch.arange(count) % 3
    score = evaluate(Given(), Split(logits, labels))
    right = sum(int(row.argmax()) == label for row, label in zip(logits, labels.tolist(), strict=True))
    assert (int(score.hits.sum()), score.count, score.accuracy) == (right, count, right / count)
    losses = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    assert score.loss == pytest.approx(losses.mean().item(), rel=1e-5)


@given(st.integers(0, 101))
def test_a_network_that_is_right_n_times_has_n_correct(right: int) -> None:
    logits = torch.tensor([[1.0, 0.0]] * right + [[0.0, 1.0]] * (101 - right))
    score = evaluate(Given(), Split(logits, torch.zeros(101, dtype=torch.int64)))
    assert (int(score.hits.sum()), score.count, score.accuracy) == (right, 101, right / 101)


def test_a_nan_is_a_loss_of_nan() -> None:
    split = Split(torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.int64))
    assert math.isnan(evaluate(Given(), split).loss)


@pytest.mark.parametrize("where", [0, 1, 2])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_output_that_is_no_number_is_never_right(where: int, value: float) -> None:
    logits, labels = torch.eye(3).repeat(4, 1), torch.arange(12) % 3
    for row in (where, 3 + where, 6):
        logits[row, where] = value
    score = evaluate(Given(), Split(logits, labels))
    assert int(score.hits.sum()) == 9 and [n for n, right in enumerate(score.hits.tolist()) if not right] == [
        where,
        3 + where,
        6,
    ]


def test_an_output_of_minus_infinity_rules_a_class_out_alone() -> None:
    logits = torch.tensor([[0.0, -math.inf], [-math.inf, -math.inf]])
    assert evaluate(Given(), Split(logits, torch.zeros(2, dtype=torch.int64))).hits.tolist() == [True, False]


def test_an_empty_split_has_no_accuracy() -> None:
    with pytest.raises(ValueError, match="empty"):
        evaluate(Given(), Split(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))


def test_evaluation_is_in_evaluation_mode_and_leaves_no_trace(
    make_rich_network: Callable[[], nn.Module], data: Data
) -> None:
    model = make_rich_network()
    model[1].eval()  # modes may differ; each is put back
    before, generator, modes = clone(model.state_dict()), torch.get_rng_state(), [m.training for m in model.modules()]
    first, second = evaluate(model, data.train), evaluate(model, data.train)
    assert first == second and digest(model.state_dict()) == digest(before)
    assert [m.training for m in model.modules()] == modes and torch.equal(torch.get_rng_state(), generator)
    assert evaluate(model.eval(), data.train) == first and all(p.grad is None for p in model.parameters())


def test_modes_are_put_back_after_an_error(make_rich_network: Callable[[], nn.Module]) -> None:
    model = make_rich_network().train()
    with pytest.raises(LotteryError, match="the model, in evaluation mode, raised RuntimeError: Expected 3D"):
        evaluate(model, Split(torch.zeros(3, 7), torch.zeros(3, dtype=torch.int64)))
    assert all(module.training for module in model.modules())
