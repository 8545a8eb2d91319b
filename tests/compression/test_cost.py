"""The cost table: every form beside the dense network, with the ticket's own logits."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lth.compression.cost import Cost, cost
from lth.compression.export import sizes
from lth.compression.forms import DEFAULT, FORMS, Form, Subject
from lth.compression.outputs import EXACT
from lth.compression.tables import COST, LAYER_COST
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, clone, load
from lth.data.tensors import Data
from lth.training.evaluate import evaluate
from tests.compression.test_measure import FUNCTIONAL

Make = Callable[[], nn.Module]


@pytest.fixture(scope="module")
def ticket(make_rich_network: Make, half_mask: Callable[[nn.Module], Mask]) -> tuple[nn.Module, nn.Module, Mask]:
    dense = make_rich_network()
    nn.init.constant_(dense[1].bias, 0.5)  # a bias of zero would count as pruned
    pruned, mask = copy.deepcopy(dense), half_mask(dense)
    mask["5.weight"][0, 0] = True
    with torch.no_grad():
        dense[5].weight[0, 0] = 1e-6  # less than half a level of any width
    load(pruned, clone(dense.state_dict()), mask)
    return dense, pruned, mask


@pytest.fixture(scope="module")
def measured(ticket: tuple[nn.Module, nn.Module, Mask], data: Data) -> Cost:
    images = data.test.images[:5]
    dense, pruned, mask = ticket
    batches = [data.train.images[:50]]
    return cost(dense, pruned, images, mask=mask, test=data.test, calibration=batches, batches=[1, 7], rounds=3)


def by_form(measured: Cost) -> dict[str, dict[str, Any]]:
    return {row["form"]: row for row in measured.rows}


def test_every_form_has_a_row_of_the_same_columns(measured: Cost) -> None:
    assert [row["form"] for row in measured.rows] == ["dense", *DEFAULT]
    assert all(set(row) <= set(measured.table) for row in measured.rows) and set(COST) < set(measured.table)
    assert all(list(row) == LAYER_COST.names for row in measured.layers)


def test_counts_are_of_the_mask_and_sizes_of_the_files(measured: Cost, ticket: Any) -> None:
    _, pruned, mask = ticket
    kept, size = (sum(int(f(x)) for x in mask.values()) for f in (torch.sum, torch.numel))
    rows = by_form(measured)
    assert rows["masked"]["sparsity"] == pytest.approx(1 - kept / size)
    assert rows["dense"]["compression_ratio"] == 1 and rows["dense"]["theoretical_speedup"] == 1
    assert rows["csr"]["nonzero"] == sum(int(x.count_nonzero()) for x in pruned.parameters())
    assert rows["csr"]["flops"] == rows["dense"]["flops"] > rows["csr"]["sparse_flops"]
    for form, written in (("csr", "csr"), ("packed", "packed"), ("int8_static", "int8"), ("masked", "dense")):
        assert (rows[form]["bytes"], rows[form]["gzip_bytes"]) == sizes(pruned.state_dict(), mask, written)
    linear = {"5.weight": mask["5.weight"]}
    assert rows["int8_dynamic"]["bytes"] == sizes(pruned.state_dict(), linear, "int8")[0]
    layers = {row["layer"]: row for row in measured.layers}
    assert layers["0"]["kept"] == int(mask["0.weight"].sum()) and layers["1"]["kept"] is None


def test_forms_without_rounding_give_the_logits_of_the_masked_network(measured: Cost, ticket: Any, data: Data) -> None:
    dense, pruned, _ = ticket
    rows = by_form(measured)
    assert rows["packed"]["difference"] == 0 and rows["csr"]["difference"] < 1e-5
    assert 0 < rows["packed_int8"]["difference"] < 0.1
    assert rows["packed_int8"]["nonzero"] < rows["packed"]["nonzero"], (
        "a small kept weight becomes zero, and counts as one"
    )
    for form in ("masked", "csr", "packed"):
        assert rows[form]["test_accuracy"] == evaluate(pruned, data.test).accuracy
        change = rows[form]["test_accuracy"] - evaluate(dense, data.test).accuracy
        assert rows[form]["test_accuracy_change"] == pytest.approx(change)


def test_what_runs_in_a_way_of_its_own_is_timed(measured: Cost) -> None:
    rows = by_form(measured)
    assert rows["packed"]["runs_as"] == rows["packed_int8"]["runs_as"] == "masked"
    for size in (1, 7):
        assert rows["packed"][f"batch_{size}_seconds"] == rows["masked"][f"batch_{size}_seconds"]
        assert rows["csr"][f"batch_{size}_seconds"] != rows["masked"][f"batch_{size}_seconds"]
        assert rows["dense"][f"batch_{size}_speedup"] == 1


def test_without_a_mask_zeros_are_what_is_pruned(ticket: Any, data: Data) -> None:
    dense, pruned, mask = ticket
    with_mask, without = (
        cost(dense, pruned, data.test.images[:2], mask=given, forms=["packed"], batches=[], rounds=3)
        for given in (mask, None)
    )
    assert with_mask.rows == without.rows and with_mask.layers == without.layers
    assert [row["form"] for row in without.rows] == ["dense", "masked", "packed"]


def test_a_form_that_cannot_be_is_said_where_it_was_not_asked_for(data: Data) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 6), nn.Flatten())
    rows = by_form(cost(model, model, data.test.images[:2], batches=[], rounds=3))
    assert rows["int8_dynamic"]["bytes"] is None and "Linear" in rows["int8_dynamic"]["note"]
    with pytest.raises(LotteryError, match="dynamic int8 is for Linear"):
        cost(model, model, data.test.images[:2], forms=["int8_dynamic"])
    with pytest.raises(SettingError, match="forms=coo: unknown; known: masked, csr"):
        cost(model, model, data.test.images[:2], forms=["coo"])


class Structured(nn.Module):
    """A network with a keyword, a counter, and outputs that are no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 3)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, inputs: Tensor, *, scale: float = 1.0) -> dict[str, Any]:
        self.passes += 1
        return {"logits": (self.layer(inputs) * scale, None), "size": len(inputs)}


class Batches(nn.Module):
    """A network that takes batches of up to five."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        if len(inputs) > 5:
            raise RuntimeError("too many")
        return self.layer(inputs)


def hooked() -> nn.Module:
    """A network whose layer does more than its class says."""
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    model[0].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return model


KINDS: dict[str, Callable[[], nn.Module]] = {
    **{kind: partial(copy.deepcopy, model) for kind, (model, _) in FUNCTIONAL.items()},
    "structured": Structured,
    "hooked": hooked,
    "double": lambda: nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).double(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_of_every_network_runs_or_its_row_says_why_not(kind: str) -> None:
    torch.manual_seed(0)
    model = KINDS[kind]()
    images = torch.randn(5, 12).to(next(model.parameters()).dtype)
    done: list[list[str]] = []

    def progress(measured: Cost) -> None:
        done.append([row["form"] for row in measured.rows])

    measured = cost(model, model, images, calibration=[images], batches=[5], rounds=3, strict=False, progress=progress)
    assert [row["form"] for row in measured.rows] == ["dense", *DEFAULT]
    for row in measured.rows:
        runs = row["runs_as"] is not None
        assert runs != ("not possible for this network" in row["note"] or "not available" in row["note"])
        assert (row.get("batch_5_seconds") is not None) == runs <= (row["bytes"] is not None)
        if runs and row["form"] in EXACT:
            assert (row["difference"] > 1e-4) == ("gives other outputs than masked" in row["note"])
    assert [len(names) for names in done] == [*range(2, len(DEFAULT) + 2), len(DEFAULT) + 1]  # rows as they come
    if kind == "hooked":
        assert "gives other outputs" in by_form(measured)["csr"]["note"]
    if kind in ("transformer", "attention", "lstm", "gru", "structured"):
        assert {"csr", "int8_dynamic"} <= {row["runs_as"] for row in measured.rows}


def test_a_form_that_fails_later_keeps_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run on the images and not on a batch that is timed; the others are timed."""
    model = nn.Sequential(nn.Linear(12, 3))
    monkeypatch.setitem(FORMS, "csr", lambda subject: Form("made", b"", Batches()))
    rows = by_form(cost(model, model, torch.randn(5, 12), forms=["csr", "packed"], batches=[5, 6], rounds=3))
    assert rows["csr"]["note"] == "not possible for this network: too many (batch 6)" and rows["csr"]["bytes"] == 0
    assert rows["csr"]["batch_5_seconds"] and "batch_6_seconds" not in rows["csr"] and rows["masked"]["batch_6_seconds"]
    with pytest.raises(SettingError, match=r"batches=6: the model does not run on such a batch: too many"):
        cost(Batches(), Batches(), torch.randn(5, 12), forms=["packed"], batches=[6], rounds=3)


@pytest.mark.parametrize("where", ["made", "run"])
def test_a_form_that_was_asked_for_and_fails_is_an_error_where_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def form(subject: Subject) -> Form:
        if where == "made":
            raise KeyError("fc")
        return Form("made", b"", nn.Linear(2, 2))

    monkeypatch.setitem(FORMS, "csr", form)
    model = nn.Sequential(nn.Linear(12, 3))
    with pytest.raises(LotteryError, match=r"^form csr: not possible for this network: "):
        cost(model, model, torch.randn(5, 12), forms=["csr"], batches=[])
    rows = by_form(cost(model, model, torch.randn(5, 12), forms=["csr"], batches=[], strict=False))
    assert rows["csr"]["note"].startswith("not possible for this network: ") and rows["csr"]["difference"] is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "images: None is no array"),
        (torch.zeros(0, 4), r"images \(0, 4\): they should be \(N, \.\.\.\) with N above 0"),
        (torch.tensor([[0.0, 1.0], [2.0, torch.nan]]), "images: a value is NaN at index 1"),
    ],
)
def test_inputs_that_nothing_can_be_timed_on_are_one_line(images, message):
    network = nn.Linear(2, 2)
    with pytest.raises(LotteryError, match=message):
        cost(network, network, images)
