"""How many weights stay at each level, against the papers' closed formula and their printed labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SettingError
from lth.models.lenet import lenet_300_100
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import Layer, prunable
from lth.pruning.schedule import Pruning

LENET = [Layer("fc1.weight", (300, 784), "linear"), Layer("fc2.weight", (100, 300), "linear")]
LENET.append(Layer("output.weight", (10, 100), "output"))
PRINTED = [100, 80.04, 64.06, 51.28, 41.05, 32.87, 26.32, 21.07, 16.88, 13.52, 10.83, 8.68, 6.95, 5.57, 4.47, 3.58]
PRINTED += [2.87, 2.31, 1.85, 1.49, 1.19]


def rates(levels: int, pruning: Pruning, layers: list[Layer] = LENET) -> list[float]:
    """The density in per cent at each level."""
    all_counts = level_counts(layers, pruning, levels)
    return [100 * sum(counts.values()) / sum(all_counts[0].values()) for counts in all_counts]


def test_lenet_has_the_densities_of_the_paper() -> None:
    """Frankle & Carbin 2019: 20% of the linear layers and 10% of the output go at each level."""
    assert rates(20, Pruning(fractions={"output": 0.1})) == pytest.approx(PRINTED, abs=0.006)


def test_conv_2_has_the_densities_of_the_paper() -> None:
    """Same, Fig. 5: 8.8% after 11 levels and 4.6% after 14; convolutions lose 10%, linear layers 20%."""
    convs = [Layer("c1.weight", (64, 3, 3, 3), "conv"), Layer("c2.weight", (64, 64, 3, 3), "conv")]
    linears = [Layer("f1.weight", (256, 16384), "linear"), Layer("f2.weight", (256, 256), "linear")]
    layers = [*convs, *linears, Layer("o.weight", (10, 256), "output")]
    measured = rates(14, Pruning(fractions={"conv": 0.1, "linear": 0.2, "output": 0.1}), layers)
    assert [round(measured[level], 1) for level in (1, 2, 3, 11, 14)] == [80.1, 64.2, 51.4, 8.8, 4.6]


@given(st.lists(st.integers(50, 10_000), min_size=1, max_size=4), st.floats(0.05, 0.6), st.integers(1, 4))
def test_level_counts_follow_the_closed_formula(sizes: list[int], fraction: float, levels: int) -> None:
    layers = [Layer(f"l{number}", (size,), "linear") for number, size in enumerate(sizes)]
    for scope, total in (("layerwise", None), ("global", sum(sizes))):
        for level, counts in enumerate(level_counts(layers, Pruning(fraction=fraction, scope=scope), levels)):
            for size, count in zip([total] if total else sizes, counts.values(), strict=True):
                assert abs(count - size * (1 - fraction) ** level) <= 0.5 / fraction  # half a weight a level, decayed


@given(st.integers(1, 400), st.floats(0.01, 0.99))
def test_round_of_the_fraction_goes_never_one_more(size: int, fraction: float) -> None:
    gone = round(fraction * size)
    if 0 < gone < size:
        assert level_counts([Layer("w", (size,), "linear")], Pruning(fraction=fraction), 1)[1] == {"w": size - gone}


def test_level_zero_is_dense_and_excluded_layers_do_not_count() -> None:
    layers = prunable(lenet_300_100((1, 28, 28), 10), ["output*"])
    assert level_counts(layers, Pruning(), 0) == [{"fc1.weight": 235_200, "fc2.weight": 30_000}]
    assert level_counts(layers, Pruning(scope="global"), 1) == [{"": 265_200}, {"": 212_160}]


def test_a_kind_wins_over_the_general_fraction_and_equal_ones_are_allowed_globally() -> None:
    equal = Pruning(scope="global", fraction=0.5, fractions={"output": 0.2, "linear": 0.2})
    assert rates(1, equal) == pytest.approx([100, 80])
    with pytest.raises(SettingError, match=r"pruning\.fractions=.*0\.1.*equal.*global"):
        level_counts(LENET, Pruning(scope="global", fractions={"output": 0.1}), 1)


@pytest.mark.parametrize("levels", [6, 99])
def test_too_many_levels_is_an_error_before_a_layer_is_empty(levels: int) -> None:
    layers = [Layer("w", (100,), "linear"), Layer("v", (10_000,), "linear")]
    assert level_counts(layers, Pruning(fraction=0.6), 5)[-1]["w"] == 1
    with pytest.raises(SettingError, match=f"levels={levels}: level 6 would remove the last weight of w"):
        level_counts(layers, Pruning(fraction=0.6), levels)


def test_a_level_that_removes_nothing_is_an_error() -> None:
    with pytest.raises(SettingError, match=r"levels=30: level \d+ would remove none of \d+"):
        level_counts([Layer("w", (100,), "linear")], Pruning(), 30)
    with pytest.raises(SettingError, match="would remove none"):
        level_counts(LENET, Pruning(fractions={"linear": 0.0, "output": 0.0}), 1)


def test_a_pattern_that_matches_nothing_is_an_error_that_names_the_layers() -> None:
    with pytest.raises(SettingError, match=r"pruning\.fractions\.fc9\.\*=0\.1: matches none of fc1\.weight"):
        level_counts(LENET, Pruning(fractions={"fc9.*": 0.1}), 1)
