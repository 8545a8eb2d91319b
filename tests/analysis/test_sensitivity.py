"""Each layer is pruned alone, by exact counts, and the network stays as it was; the test set is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from lth.analysis.sensitivity import densities_of, sensitivity
from lth.core.errors import SettingError
from lth.core.weights import clone, digest
from lth.data.tensors import Data
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import dense, prunable
from lth.pruning.schedule import Pruning
from lth.training.evaluate import evaluate
from lth.training.loop import train
from lth.training.run_spec import RunSpec


def test_each_row_is_the_accuracy_with_one_layer_pruned_by_hand(make_job: Callable[..., RunSpec], data: Data) -> None:
    spec = make_job()
    state = train(spec).final
    before = digest(spec.model.state_dict())
    rows = sensitivity(spec.model, state, data, (1.0, 0.25, 0.001), "train")
    assert digest(spec.model.state_dict()) == before
    assert [(row["layer"], row["density"]) for row in rows][3:6] == [("fc2.weight", x) for x in (1, 0.25, 1 / 96)]
    for row in rows:
        pruned = clone(state)
        flat = pruned[row["layer"]].flatten()
        flat[flat.abs().argsort()[: flat.numel() - round(row["density"] * flat.numel())]] = 0
        pruned[row["layer"]] = flat.reshape(pruned[row["layer"]].shape)
        spec.model.load_state_dict(pruned)
        assert row["accuracy"] == evaluate(spec.model, data.train).accuracy
    assert rows[0]["accuracy"] == rows[3]["accuracy"] > min(row["accuracy"] for row in rows)


def test_channels_go_whole(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    rows = sensitivity(model, model.state_dict(), data, (1.0, 0.5), granularity="input", layers=prunable(model)[1:2])
    assert [row["density"] for row in rows] == [1, 0.5]


def test_densities_are_the_lowest_before_accuracy_falls() -> None:
    curve = {"a": {1.0: 0.9, 0.5: 0.895, 0.2: 0.7, 0.1: 0.9}, "b": {1.0: 0.9, 0.1: 0.91}}
    rows = [{"layer": x, "density": d, "accuracy": y} for x, line in curve.items() for d, y in line.items()]
    assert densities_of(rows, 0.01) == {"a": 0.5, "b": 0.1} and densities_of(rows, 0) == {"a": 1.0, "b": 0.1}
    with pytest.raises(SettingError, match="densities=a: must include 1, the dense network"):
        densities_of(rows[1:], 0.01)
    with pytest.raises(SettingError, match="tolerance=1"):
        densities_of(rows, 1)


def test_what_it_gives_can_be_pruned_to(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    densities = densities_of(sensitivity(model, model.state_dict(), data), 0.05)
    counts = level_counts(prunable(model), Pruning(layer_densities=densities), 1)[1]
    assert set(counts) == set(dense(prunable(model))) and 0.75 < sum(counts.values()) / 552 < 0.85


def test_the_test_set_and_no_validation_are_refused(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    empty = replace(data, validation=replace(data.validation, images=torch.zeros(0), labels=torch.zeros(0)))
    for wrong, split in ((data, "test"), (empty, "validation")):
        with pytest.raises(SettingError, match=f"split={split}: .*the test set must not choose"):
            sensitivity(model, model.state_dict(), wrong, split=split)
    with pytest.raises(SettingError, match=r"densities=0\.0: must lie above 0"):
        sensitivity(model, model.state_dict(), data, (0.0,))
