"""The settings of a pruning: checked by themselves, before a network is there."""

import pytest

from lth.core.errors import SettingError
from lth.models.lenet import lenet5
from lth.pruning.mask import prunable
from lth.pruning.schedule import Pruning


def test_fractions_by_kind_and_by_pattern_the_pattern_first() -> None:
    layers = prunable(lenet5((1, 28, 28), 10))
    pruning = Pruning(fraction=0.5, fractions={"conv": 0.1, "output": 0.3, "fc2.*": 0.25, "conv2.weight": 0.0})
    fractions = {layer.name.split(".")[0]: pruning.fraction_of(layer) for layer in layers}
    assert fractions == {"conv1": 0.1, "conv2": 0.0, "fc1": 0.5, "fc2": 0.25, "output": 0.3}


def test_fractions_are_not_shared_by_default() -> None:
    Pruning().fractions["output"] = 0.9
    assert Pruning().fractions == {} and Pruning().exclude is not Pruning().exclude


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"fraction": 0.0}, r"pruning\.fraction=0\.0"),
        ({"fraction": 1.0}, r"pruning\.fraction=1\.0"),
        ({"fraction": float("nan")}, r"pruning\.fraction=nan"),
        ({"fraction": 20}, r"pruning\.fraction=20"),
        ({"fractions": {"output": -0.1}}, r"pruning\.fractions\.output=-0\.1"),
        ({"fractions": {"fc*": 1.0}}, r"pruning\.fractions\.fc\*=1\.0"),
        ({"scope": "local"}, r"pruning\.scope=local: .*layerwise, global"),
        ({"schedule": "oneshot"}, r"pruning\.schedule=oneshot: .*iterative, one_shot"),
    ],
)
def test_a_bad_value_is_an_error_that_names_key_and_value(settings: dict, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        Pruning(**settings)
