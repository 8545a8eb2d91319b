"""How layers share what stays: the proportions of the paper, whole layers, and as many weights in all as asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SettingError
from lth.models.conv import conv2
from lth.models.lenet import lenet_300_100
from lth.pruning.layer_densities import allocated, erdos_renyi_kernel
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import prunable
from lth.pruning.schedule import Pruning

LENET = prunable(lenet_300_100((1, 28, 28), 10))


def test_erk_is_the_formula_of_evci_et_al_2020() -> None:
    """Section 3: (n_in + n_out + w + h) / (n_in n_out w h) of a convolution, (n_in + n_out) / (n_in n_out) else."""
    ratios = erdos_renyi_kernel(prunable(conv2((3, 32, 32), 10)))
    assert list(ratios.values())[:2] == [(3 + 64 + 3 + 3) / (3 * 64 * 9), (64 + 64 + 3 + 3) / (64 * 64 * 9)]
    assert list(ratios.values())[-1] == (256 + 10) / 2560


@given(st.lists(st.tuples(st.integers(1, 5_000), st.floats(1e-4, 10)), min_size=1, max_size=6), st.floats(0.001, 1))
def test_as_many_stay_as_asked_in_proportion_and_no_layer_more_than_all(layers: list, density: float) -> None:
    sizes = {str(n): size for n, (size, _) in enumerate(layers)}
    ratios = {str(n): ratio for n, (_, ratio) in enumerate(layers)}
    total = round(density * sum(sizes.values()))
    shares = allocated(total, sizes, ratios)
    assert sum(shares[name] * size for name, size in sizes.items()) == pytest.approx(
        total, abs=1e-6 * sum(sizes.values())
    )
    assert all(0 <= share <= 1 for share in shares.values())
    scales = {round(shares[name] / ratios[name], 9) for name in sizes if shares[name] < 1 - 1e-9}
    assert max(scales, default=0) == pytest.approx(min(scales, default=0), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("levels", [1, 10])
def test_the_level_counts_of_erk_keep_as_many_in_all_as_the_global_one(levels: int) -> None:
    all_counts = level_counts(LENET, Pruning(layer_densities="erk"), levels)
    everything = level_counts(LENET, Pruning(scope="global"), levels)
    for counts, (total,) in zip(all_counts, (x.values() for x in everything), strict=True):
        assert abs(sum(counts.values()) - total) <= 1  # each layer is rounded
    last = {name: count / layer.size for layer, (name, count) in zip(LENET, all_counts[-1].items(), strict=True)}
    assert last["fc1.weight"] < last["fc2.weight"] <= last["output.weight"] <= 1
    assert (last["fc2.weight"] == 1) == (levels == 1)


def test_at_lenets_5_percent_erk_has_the_densities_by_hand() -> None:
    """epsilon = 13,310 / (1,084 + 400 + 110) = 8.35, so the output layer keeps 8.35 * 110 = 918.5 of 1,000."""
    shares = allocated(13_310, {x.name: x.size for x in LENET}, erdos_renyi_kernel(LENET))
    epsilon = 13_310 / 1_594
    assert list(shares.values()) == pytest.approx([1_084 * epsilon / 235_200, 400 * epsilon / 30_000, 0.110 * epsilon])


def test_given_densities_are_exact_where_the_whole_is_theirs() -> None:
    given = {"fc1.*": 0.1, "linear": 0.5, "output": 1.0}
    total = 23_520 + 15_000 + 1_000
    fraction = 1 - total / 266_200
    counts = level_counts(LENET, Pruning(layer_densities=given, fraction=fraction), 1)[1]
    assert counts == {"fc1.weight": 23_520, "fc2.weight": 15_000, "output.weight": 1_000}


def test_channels_are_shared_out_too() -> None:
    layers = prunable(conv2((3, 32, 32), 10))[:-1]
    counts = level_counts(layers, Pruning(layer_densities="erk", granularity="output", fraction=0.5), 1)[1]
    assert counts["conv1.weight"] == 64
    assert all(0 < counts[layer.name] <= layer.shape[0] for layer in layers)


def test_a_layer_that_would_lose_all_is_an_error() -> None:
    with pytest.raises(SettingError, match="would remove the last weight of fc2"):
        level_counts(LENET, Pruning(layer_densities={"fc2*": 1e-6, "*": 1.0}), 1)
