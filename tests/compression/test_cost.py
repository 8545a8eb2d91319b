"""The cost table: every form beside the dense network, with the ticket's own logits."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lth.compression.cost import Cost, cost
from lth.compression.export import sizes
from lth.compression.forms import DEFAULT
from lth.compression.tables import COST, LAYER_COST
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, clone, load
from lth.data.tensors import Data
from lth.training.evaluate import evaluate

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
