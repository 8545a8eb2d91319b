"""`find_ticket` on other tasks than classification, and on inputs that are several tensors or tokens."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lth
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.tasks.metrics import measures_of
from lth.tasks.task import Task

RECIPE = lth.Recipe(iterations=30, batch_size=20, lr=0.01, evaluate_every=10)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed, "task"))


def mlp(inputs: int = 4, outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


class Two(nn.Module):
    """Takes tokens and numbers by name."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(9, 8), nn.Linear(8 + 3, outputs)

    def forward(self, ids: Tensor, extra: Tensor) -> Tensor:
        outputs: Tensor = self.out(torch.cat([self.words(ids).mean(1), extra], 1))
        return outputs


class Speaks(nn.Module):
    """Logits of the next token at each place."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(9, 8), nn.Linear(8, 9)

    def forward(self, ids: Tensor) -> Tensor:
        outputs: Tensor = self.out(self.words(ids))
        return outputs


X = noise(120, 4)
IDS = torch.arange(720).view(120, 6) % 9
NESTED = {"ids": IDS, "extra": X[:, :3]}
LABELS = (X[:, 0] > 0).long()


def ranked(outputs: Any, targets: Any) -> dict[str, float]:
    return {"mae": (outputs - targets["wanted"]).abs().mean().item()}


def weighted(outputs: Tensor, targets: Any) -> Tensor:
    return (targets["weight"][:, None] * (outputs - targets["wanted"]).square()).mean()


CUSTOM = lth.CustomTask(weighted, ranked, {"mae": "lower"}, decide="val_mae")
TARGETS = {"wanted": X[:, :2] * 2, "weight": torch.rand(120, generator=rng(1))}
CASES: dict[str, tuple[nn.Module, Any, Task | str | None, str]] = {
    "regression": (mlp(), (X, X[:, :2] * 2), "regression", "mse"),
    "one number": (mlp(outputs=1), (X, X[:, 0].double()), lth.Regression("val_r2"), "mse"),
    "multilabel": (mlp(), (X, X[:, :2] > 0), "multilabel", "exact_match"),
    "smoothed": (mlp(), (X, LABELS), lth.Classification(0.1, (1.0, 2.0)), "accuracy"),
    "a dict": (Two(), (NESTED, LABELS), None, "accuracy"),
    "a tuple": (Two(), ((IDS, NESTED["extra"]), LABELS), None, "accuracy"),
    "tokens": (Speaks(), IDS, "language", "perplexity"),
    "custom": (mlp(), (X, TARGETS), CUSTOM, "mae"),
}


@pytest.mark.parametrize("name", CASES)
def test_tickets_are_found_by_the_metric_of_the_task(name: str) -> None:
    network, split, task, metric = CASES[name]
    found = lth.find_ticket(network, split, split, levels=1, recipe=RECIPE, task=task, arms=["ticket", "reinit"])
    assert [row["arm"] for row in found.rows] == ["ticket", "ticket", "reinit"]
    for row in found.rows:
        assert measures_of(row).primary.name == metric
        assert all(row[f"{at}_{metric}"] is not None for at in ("early_stop_test", "final_test", "final_train"))
    first, last = (found.levels[0].result.points[at] for at in (0, -1))
    assert last.val_loss < first.val_loss, "it learns"
    for layer, kept in found.tickets[1].mask.items():
        assert not found.levels[1].result.final[layer][~kept].any(), "pruned weights stay zero"


def test_a_loss_that_only_divides_by_two_trains_by_half_the_gradient() -> None:
    def halved(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets) / 2

    def mse(outputs: Tensor, targets: Tensor) -> dict[str, Any]:
        return {"mse": nn.functional.mse_loss(outputs, targets)}

    recipe = lth.Recipe(optimizer="sgd", iterations=20, batch_size=20, lr=0.1)
    twice = lth.Recipe(optimizer="sgd", iterations=20, batch_size=20, lr=0.2)
    network, split = mlp(), (X, X[:, :2])
    whole = lth.find_ticket(network, split, split, levels=0, recipe=recipe, task="regression")
    half = lth.CustomTask(halved, mse, {"mse": "lower"})
    other = lth.find_ticket(network, split, split, levels=0, recipe=twice, task=half)
    for first, second in zip(*(x.levels[0].result.final.values() for x in (whole, other)), strict=True):
        assert torch.allclose(first, second, atol=1e-6)
    assert whole.rows[0]["final_test_mse"] == pytest.approx(other.rows[0]["final_test_mse"], rel=1e-4)


def lossy(loss: Any) -> lth.CustomTask:
    """A task with that loss."""
    return lth.CustomTask(loss, ranked, {"mae": "lower"})


@pytest.mark.parametrize(
    ("network", "split", "task", "says"),
    [
        (mlp(), (X, X[:, :3]), "regression", r"the model gives \(2, 2\); it should give \(2, 3\), as the targets are"),
        (mlp(), (X, X[:, :2]), "multilabel", "should be 0 or 1, there is"),
        (mlp(), (X, LABELS), "multilabel", r"should be \(N, labels\), 1 where"),
        (mlp(), (X, torch.full((120, 2), torch.nan)), "regression", "a target is NaN or infinite at index 0"),
        (mlp(), (X, X[:50, :2]), "regression", "should have the examples first, 50 of them"),
        (mlp(), X, "language", "without targets they should be integers"),
        (mlp(), (X, X[:, :2] * 2), None, "one-hot or scores"),
        (Two(), ({"ids": IDS}, LABELS), None, "a dict of inputs is passed as keywords"),
        (mlp(), (X, LABELS), lth.Classification(class_weights=(1.0, 2.0, 3.0)), "the data have 2 classes"),
        (mlp(), (X, TARGETS), "regression", "should be one tensor for this task"),
        (mlp(), (X, LABELS), "clustering", "task=clustering: unknown"),
        (mlp(), (X, LABELS), 7, "task is an int"),
        (mlp(), (X, TARGETS), lossy(lambda x, y: x.mean(1)), "give its mean"),
        (mlp(), (X, TARGETS), lossy(lambda x, y: 0.5), "loss is a float"),
        (mlp(), (X, TARGETS), lossy(lambda x, y: x.mean() / 0), "of the untrained"),
        (mlp(), (X, TARGETS), lossy(lambda x, y: x.mean().detach()), "does not depend on the outputs"),
        (mlp(), (X, TARGETS), lossy(lambda x, y: x.no()), "the task's loss raised AttributeError"),
    ],
)
def test_what_does_not_fit_a_task_is_one_line(network: nn.Module, split: Any, task: Any, says: str) -> None:
    with pytest.raises(LotteryError, match=says) as error:
        lth.find_ticket(network, split, split, levels=1, recipe=RECIPE, task=task)
    assert "\n" not in str(error.value)


def test_a_store_tells_tasks_and_their_code_apart(tmp_path: Any) -> None:
    network, split = mlp(), (X, LABELS)
    tasks = [None, "classification", lth.Classification(0.1), lth.Classification(decide="val_accuracy")]
    trained = []
    for task in tasks:
        store = lth.Store(tmp_path)
        lth.find_ticket(network, split, split, levels=0, recipe=RECIPE, task=task, store=store)
        trained.append(len(store.trained))
    assert trained == [1, 0, 1, 1]
