"""Figure 5: a colour a network, a setting each, nothing averaged across and nothing chosen by guessing."""

import math
import random
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lth.experiments.imp.networks import FIGURE_5, NETWORKS, choose, compare, networks
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from lth.core.tables import Row
from lth.report.figures.drawing import Sketch
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, min_max, t_interval
from lth.report.results import Results
from lth.report.tables import RESULTS
from lth.reporting import write_comparisons

LEVELS = 12
ITERATIONS = {"conv2": 20_000, "conv4": 25_000, "conv6": 30_000}
KEPT = {"conv2": 0.801, "conv4": 0.81, "conv6": 0.826}


def result(model: str, seed: int, level: int, arm: str = "ticket", **values: Any) -> Row:
    """One row of results, made up in the likeness of the convolutional networks on CIFAR-10."""
    noise = random.Random(f"{model}-{seed}-{level}-{arm}").gauss
    sparse, better = -level * math.log(KEPT[model]), arm == "ticket"
    accuracy = 0.5 + 0.00001 * ITERATIONS[model] + (0.015 if better else -0.01) * sparse + noise(0, 0.004)
    stop = 100 * round(ITERATIONS[model] * (0.2 - 0.05 * sparse if better else 0.2 + 0.1 * sparse) / 100)
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        "setting": f"id-{model}",
        "data": "cifar10",
        "model": model,
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": KEPT[model] ** level,
        "sparsity": 1 - KEPT[model] ** level,
        "rewind": 0,
        "schedule": "iterative",
        "early_stop_iteration": stop,
        "early_stop_censored": False,
        "early_stop_test_accuracy": accuracy,
        "final_train_accuracy": 1 - 0.001 * sparse,
        "final_test_accuracy": accuracy - 0.004,
        "iterations": ITERATIONS[model],
        "run": f"{model}-{seed}-{level}-{arm}",
        **values,
    }


def sweep(model: str, seeds: int = 3, **values: Any) -> list[Row]:
    """The ticket at every level and reinit at three of them, `values` in every row."""
    rows = [result(model, seed, level, **values) for seed in range(seeds) for level in range(LEVELS + 1)]
    return rows + [result(model, seed, level, "reinit", **values) for seed in range(seeds) for level in (4, 8, 12)]


def gathered(*settings: list[Row]) -> Gathered:
    """What was gathered, as if from no folder."""
    return Gathered([row for rows in settings for row in rows], {}, [])


def sketch(rows: Mapping[str, list[Row]], bars: Summarize = t_interval) -> Sketch | None:
    """The figure of networks by their rows."""
    return FIGURE_5.sketch(Results({"results": [row for several in rows.values() for row in several]}, bars=bars))


def every() -> list[list[Row]]:
    """The settings of the three networks."""
    return [sweep(model) for model in NETWORKS]


@pytest.mark.slow
@pytest.mark.rendered
def test_three_networks_have_one_figure_and_the_same_bytes_again(tmp_path: Path) -> None:
    [comparison] = compare(gathered(*every()), t_interval)
    assert (comparison.about, comparison.notes) == ("conv2, conv4 and conv6 on cifar10", ())
    [drawn] = write_comparisons(tmp_path / "a", [comparison])
    assert (drawn.name, drawn.title) == ("frankle2019_fig5", "Networks side by side: conv2, conv4 and conv6 on cifar10")
    pixels = imread(drawn.path)[..., :3]
    assert pixels.shape[1] == round(6.9 * 200) and 0.01 < (pixels.min(axis=-1) < 0.9).mean() < 0.5
    assert drawn.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert "conv4 (id-conv4): 25,000 iterations, n = 3" in drawn.caption and "95% t intervals" in drawn.caption
    assert "conv6 reinit" in drawn.alt
    [again] = write_comparisons(tmp_path / "b", compare(gathered(*every()), t_interval))
    assert again.path.read_bytes() == drawn.path.read_bytes()


def test_colours_are_networks_dashes_are_arms_and_each_dense_network_has_a_line() -> None:
    made = sketch({rows[0]["model"]: rows for rows in every()}, min_max)
    assert made
    handles = {handle.get_label(): handle for handle in made.figure.legends[0].legend_handles}
    assert list(handles) == ["conv2", "ticket", "conv4", "reinit", "conv6", "dense"]  # by column: networks above
    assert handles["ticket"].get_linestyle() == "-" and handles["reinit"].get_linestyle() == "--"
    assert [axes.get_ylabel().split(" (")[0] for axes in made.figure.axes] == [
        "early-stop iteration",
        "test accuracy at early stop",
        "train accuracy at the end",
        "test accuracy at the end",
    ]
    for axes in made.figure.axes:
        colours = [line.get_color() for line in axes.lines]
        assert {colours.count(colour) for colour, _ in NETWORKS.values()} == {3}  # dense, ticket, reinit
        left, right = axes.get_xlim()
        assert left > right and axes.get_xscale() == "log"


def test_networks_are_told_apart_in_grey() -> None:
    shades = [sum(w * x for w, x in zip((0.3, 0.59, 0.11), to_rgb(c), strict=True)) for c, _ in NETWORKS.values()]
    assert shades == sorted(shades) and min(b - a for a, b in pairwise(shades)) > 0.15
    assert max(shades) < 0.72 and len({marker for _, marker in NETWORKS.values()}) == len(NETWORKS)


def test_a_panel_that_was_not_measured_is_left_out() -> None:
    empty = dict.fromkeys(["early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"])
    made = sketch({m: [row | empty for row in sweep(m)] for m in ("conv2", "conv6")})
    assert made and len(made.figure.axes) == 2 and "conv4" not in made.caption


@pytest.mark.parametrize("models", [["conv2"], ["conv2", "lenet_300_100"], []])
def test_one_network_is_not_put_beside_itself(models: list[str]) -> None:
    rows = [row | {"model": model, "setting": model} for model in models for row in sweep("conv2")]
    assert compare(Gathered(rows, {}, []), t_interval) == networks(Gathered(rows, {}, [])) == []


def test_a_dense_network_alone_is_no_network_of_the_figure() -> None:
    dense = [row for row in sweep("conv4") if row["level"] == 0]
    assert sketch({"conv2": dense, "conv4": dense}) is None
    [group] = networks(gathered(sweep("conv2"), dense, sweep("conv6")))
    assert list(group.rows) == ["conv2", "conv6"]
    assert networks(gathered(sweep("conv2"), dense)) == []


def test_a_trial_run_does_not_stand_in_the_way_of_the_measurement() -> None:
    smoke = sweep("conv2", 1, setting="smoke", iterations=4)
    (group,) = networks(gathered(smoke, *every()))
    assert {model: rows[0]["setting"] for model, rows in group.rows.items()} == {m: f"id-{m}" for m in NETWORKS}
    assert group.notes == (
        "Of the settings of conv2, smoke (4 iterations, 1 seed), id-conv2 (20,000 iterations, 3 seeds), Figure 5 shows"
        " the one trained longest, id-conv2.",
    )


@pytest.mark.parametrize("other", [{"seeds": 3}, {"seeds": 5, "iterations": 10_000}])
def test_what_no_rule_can_choose_is_left_out_and_named(other: dict[str, int]) -> None:
    rival = sweep("conv2", setting="rate", **other)
    [comparison] = compare(gathered(rival, *every()), t_interval)
    [note], results = comparison.notes, comparison.results
    assert results and {row["model"] for row in results["results"]} == {"conv4", "conv6"}
    assert note.startswith("Figure 5 leaves conv2 out: it has the settings rate (") and "id-conv2" in note
    assert choose([rival, sweep("conv2")]) is None


def test_where_one_network_is_left_nothing_is_said_to_be_shown() -> None:
    rival, smoke = sweep("conv4", setting="rate"), sweep("conv2", 1, setting="smoke", iterations=4)
    [group] = networks(gathered(smoke, sweep("conv2"), rival, sweep("conv4")))
    assert list(group.rows) == ["conv2"] and [note[:25] for note in group.notes] == ["Figure 5 leaves conv4 out"]
    [comparison] = compare(gathered(smoke, sweep("conv2"), rival, sweep("conv4")), t_interval)
    assert not comparison.figures and comparison.notes == group.notes


def test_data_and_rewind_points_are_never_mixed(tmp_path: Path) -> None:
    own = [sweep(model, data="own", setting=f"own-{model}") for model in ("conv2", "conv4")]
    late = [sweep("conv6", rewind=500, setting="late")]
    shot = [sweep("conv6", schedule="one_shot", setting="shot")]
    groups = networks(gathered(*every(), *own, *late, *shot))
    assert [[rows[0]["setting"] for rows in group.rows.values()] for group in groups] == [
        ["id-conv2", "id-conv4", "id-conv6"],
        ["own-conv2", "own-conv4"],
    ]
    drawn = write_comparisons(tmp_path, compare(gathered(*every(), *own), t_interval))
    assert [str(each.path.relative_to(tmp_path)) for each in drawn] == [
        "figures/frankle2019_fig5.png",
        "figures/networks_2/frankle2019_fig5.png",
    ]
    assert drawn[1].title == "Networks side by side: conv2 and conv4 on own"


def test_captions_name_networks_that_lost_trainings_and_count_seeds_for_each() -> None:
    rows = {"conv2": sweep("conv2", 5), "conv4": sweep("conv4", 2)}
    lost = next(row for row in rows["conv4"] if row["arm"] == "reinit")
    lost |= {"status": "diverged", **dict.fromkeys(RESULTS.names[14:21])}
    made = sketch(rows)
    assert made and "conv2 (id-conv2): 20,000 iterations, n = 5; conv4 (id-conv4)" in made.caption
    assert "Means over seeds (n = 2 to 5)" in made.caption
    assert "of conv4 reinit at 43.0% " in made.caption
