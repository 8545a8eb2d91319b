"""Losses equal torch's, a score is that of the whole split whatever the chunks, and what is no metric is one line."""

import math
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.tasks.classification import PLAIN, Classification
from lth.tasks.custom import CustomTask
from lth.tasks.kinds import TASKS, task_named
from lth.tasks.language import NO_TOKEN, Language, shifted
from lth.tasks.multilabel import Multilabel
from lth.tasks.regression import Regression
from lth.tasks.task import Task

N = 40


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().mean()


def spearman_like(outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """A metric that is no mean over examples: it needs the whole split."""
    ranks = [x.flatten().argsort().argsort().double() for x in (outputs, targets)]
    return {"rank": torch.corrcoef(torch.stack(ranks))[0, 1].item()}


def examples(task: Task) -> tuple[Tensor, Tensor]:
    """Outputs and targets of N examples."""
    generator = rng(0, "tasks")
    outputs = torch.randn(N, 5, generator=generator)
    kinds = {
        "classes": lambda: torch.randint(5, (N,), generator=generator),
        "labels": lambda: (torch.rand(N, 5, generator=generator) < 0.3).float(),
        "values": lambda: torch.randn(N, 5, generator=generator),
        "any": lambda: torch.randn(N, 5, generator=generator),
    }
    if task.targets == "tokens":
        targets = torch.randint(5, (N, 6), generator=generator)
        targets[torch.rand(N, 6, generator=generator) < 0.3] = NO_TOKEN
        return torch.randn(N, 6, 5, generator=generator), targets
    return outputs, kinds[task.targets]()


CUSTOM = CustomTask(absolute, spearman_like, {"rank": "higher"})
ALL: list[Task] = [
    PLAIN,
    Classification(label_smoothing=0.2),
    Classification(class_weights=(1.0, 0.5, 2.0, 0.0, 3.0)),
    Classification(0.1, (1.0, 0.5, 2.0, 0.0, 3.0)),
    Multilabel(),
    Regression(),
    Language(),
    CUSTOM,
]
REFERENCE: dict[str, Any] = {
    "classification": lambda task, x, y: functional.cross_entropy(
        x, y, torch.tensor(task.class_weights) if task.class_weights else None, label_smoothing=task.label_smoothing
    ),
    "multilabel": lambda _, x, y: nn.BCEWithLogitsLoss()(x, y),
    "regression": lambda _, x, y: nn.MSELoss()(x, y),
    "language": lambda _, x, y: nn.CrossEntropyLoss()(x.movedim(-1, 1), y),
    "custom": lambda _, x, y: nn.L1Loss()(x, y),
}


def score(task: Task, outputs: Tensor, targets: Tensor, ends: list[int]) -> Any:
    return task.score([task.part(outputs[a:b], targets[a:b]) for a, b in pairwise([0, *ends, N])], N)


@pytest.mark.parametrize("task", ALL, ids=lambda task: f"{task.measures.task}{task.fingerprint() and ' changed'}")
def test_the_loss_is_torchs_and_the_score_that_of_the_whole_split(task: Task) -> None:
    outputs, targets = examples(task)
    outputs.requires_grad_()
    loss, wanted = task.loss(outputs, targets), REFERENCE[task.measures.task](task, outputs, targets)
    assert torch.allclose(loss, wanted, rtol=1e-6)
    for first, second in zip(*(torch.autograd.grad(x, outputs) for x in (loss, wanted)), strict=True):
        assert torch.allclose(first, second, atol=1e-8)
    total = sum(task.total(outputs[a:b], targets[a:b]) for a, b in ((0, 13), (13, N)))
    weight = sum(task.weight(targets[a:b]) for a, b in ((0, 13), (13, N)))
    assert torch.allclose(torch.as_tensor(total / weight), wanted, rtol=1e-5)
    whole = score(task, outputs.detach(), targets, [])
    assert whole.loss == pytest.approx(wanted.item(), rel=1e-6)
    assert whole.metrics.keys() == {metric.name for metric in task.measures.metrics}
    for ends in ([13], [1, 2, 39], list(range(1, N))):
        parted = score(task, outputs.detach(), targets, ends)
        assert parted.loss == pytest.approx(whole.loss, rel=1e-5)
        assert parted.metrics == pytest.approx(whole.metrics, rel=1e-5)


def test_metrics_are_what_their_names_say() -> None:
    outputs, targets = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]]), torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    many = Multilabel()
    assert many.score([many.part(outputs, targets)], 3).metrics == {
        "exact_match": 1 / 3,
        "label_accuracy": 4 / 6,
        "f1": 2 * 2 / (3 + 3),
    }
    numbers = Regression()
    metrics = numbers.score([numbers.part(torch.tensor([[1.0], [3.0]]), torch.tensor([2.0, 3.0]))], 2).metrics
    assert metrics == {"mse": 0.5, "rmse": math.sqrt(0.5), "mae": 0.5, "r2": -1.0}
    constant = numbers.score([numbers.part(torch.zeros(2), torch.ones(2))], 2).metrics
    assert constant["r2"] is None and constant["mse"] == 1


@settings(max_examples=20)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(1, 40))
def test_perplexity_is_e_to_the_mean_loss_of_a_token_however_a_corpus_is_cut(lengths: list[int], seed: int) -> None:
    generator, task = rng(seed, "corpus"), Language()
    corpus = [
        (torch.randn(1, n, 4, generator=generator), torch.randint(4, (1, n), generator=generator)) for n in lengths
    ]
    losses = torch.cat([functional.cross_entropy(x[0], y[0], reduction="none") for x, y in corpus])
    measured = task.score([task.part(*one) for one in corpus], len(corpus))
    assert measured.metrics["perplexity"] == pytest.approx(losses.double().mean().exp().item(), rel=1e-5)
    assert (
        task.score([task.part(torch.tensor([[[1e9, 0.0]]]), torch.tensor([[1]]))], 1).metrics["perplexity"] < math.inf
    )
    tokens = torch.arange(6)[None]
    assert torch.equal(shifted(tokens)[:, :-1], tokens[:, 1:]) and shifted(tokens)[0, -1] == NO_TOKEN


def test_sgd_on_a_linear_problem_comes_to_the_closed_form() -> None:
    inputs = torch.cat([torch.randn(60, 3, generator=rng(0)), torch.ones(60, 1)], 1)
    targets = inputs @ torch.tensor([1.0, -2.0, 0.5, 3.0]) + 0.1 * torch.randn(60, generator=rng(1))
    weight = torch.zeros(4, requires_grad=True)
    for _ in range(500):
        (gradient,) = torch.autograd.grad(Regression().loss((inputs @ weight)[:, None], targets), weight)
        assert torch.allclose(gradient, 2 * inputs.T @ (inputs @ weight - targets) / 60, atol=1e-5)
        weight = (weight - 0.1 * gradient).detach().requires_grad_()
    assert torch.allclose(weight.detach(), torch.linalg.lstsq(inputs, targets).solution, atol=1e-4)


def test_plain_classification_has_no_fingerprint_and_all_others_have_their_own() -> None:
    other = CustomTask(absolute, partial(spearman_like), {"rank": "lower"})
    every = [*ALL, Classification(decide="val_accuracy"), Regression("val_r2"), other]
    prints = [str(task.fingerprint()) for task in every]
    assert PLAIN.fingerprint() == {} and len(set(prints)) == len(prints)
    assert [task.is_plain for task in every] == [True] + [False] * 7 + [True, False, False]
    huber = [CustomTask(nn.HuberLoss(delta=delta), spearman_like, {"rank": "higher"}) for delta in (1.0, 2.0)]
    assert huber[0].fingerprint() != huber[1].fingerprint()


def custom(loss: Any = absolute, metrics: Any = spearman_like, better: Any = None, **more: Any) -> CustomTask:
    return CustomTask(loss, metrics, better or {"rank": "higher"}, **more)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Classification(1.0), "task.label_smoothing=1.0"),
        (lambda: Classification(class_weights=(1.0, -1.0)), "task.class_weights"),
        (lambda: task_named("clustering"), "unknown; known: classification"),
        (
            lambda: task_named("regression", "val_accuracy"),
            "task.decide=val_accuracy: must be one of val_loss",
        ),
        (lambda: custom(loss=None), "task.loss=None: must be a function"),
        (lambda: custom(better={"rank": "up"}), "better=up: must be higher or lower"),
        (lambda: CustomTask(absolute, spearman_like, {}), "which way is better"),
        (lambda: custom(decide="val_mae"), "task.decide=val_mae"),
    ],
)
def test_a_task_that_cannot_be_is_one_line(make: Any, says: str) -> None:
    with pytest.raises(SettingError) as error:
        make()
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        (lambda *_: {}, "gave no rank, which task.better names; it gave nothing"),
        (lambda *_: None, "gave NoneType"),
        (lambda *_: {"rank": float("nan")}, "the metric rank of the task is nan"),
        (lambda *_: {"rank": "high"}, "the metric rank is str"),
        (lambda *_: {"rank": torch.ones(2)}, "tensor of shape (2,)"),
        (lambda *_: 1 / 0, "the task's metrics raised ZeroDivisionError"),
    ],
)
def test_a_metric_that_is_no_number_is_one_line(metrics: Any, says: str) -> None:
    task = custom(metrics=metrics)
    with pytest.raises(LotteryError) as error:
        score(task, *examples(task), [7])
    assert says in str(error.value) and "\n" not in str(error.value)


def test_every_task_by_name_is_made_of_what_decides() -> None:
    for name in TASKS:
        task = task_named(name, f"val_{task_named(name).measures.primary.name}")
        assert task.measures.task == name and task.measures.decider == task.measures.primary
