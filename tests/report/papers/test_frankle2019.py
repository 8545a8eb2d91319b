"""The paper's figures over seeds: all that was measured is drawn, nothing else, and bars are those of the seeds."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lth.report.papers.frankle2019 import draw_sweep, sketch_early, sketch_pruning, sketch_sparse
from lth.report.papers.lines import fitting, lines_of
from lth.report.papers.training import mean_curve, nearest, sketch_training
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from lth.core.tables import Row
from lth.lottery.arms import meaning
from lth.report.figures.axes import Summary
from lth.report.figures.captions import seeds_in
from lth.report.gather import Gathered
from lth.report.intervals import min_max, t_interval
from lth.report.tables import CURVES, RESULTS

SEEDS, LEVELS, CONTROLS = 5, 17, (3, 5, 7, 9, 12, 14, 16)
LADDER = {level: (235_200 + 30_000) / 266_200 * 0.8**level + 1000 / 266_200 * 0.9**level for level in range(LEVELS)}
STEP, LAST = 100, 15_000


def result(seed: int, level: int, arm: str = "ticket", schedule: str = "iterative", **values: Any) -> Row:
    """One row of results, made up in the likeness of Lenet on MNIST: controls fall and slow down as they get sparse."""
    asked = (
        f"{arm}-{level}-{seed}-{schedule if level else 'dense'}-{values.get('draw', 0)}"  # schedules share the dense
    )
    noise = random.Random(asked).gauss
    sparse = -math.log(LADDER[level])
    loss, factor = (0.0, 1 - 0.12 * sparse) if arm == "ticket" else (0.25 * sparse, 1 + 0.6 * sparse)
    gain = 0.3 * math.exp(-((sparse - 1.6) ** 2)) if arm == "ticket" else 0.0
    late = 0.08 * sparse if schedule == "one_shot" and level else 0.0
    accuracy = (97.9 + gain - loss - late + noise(0, 0.1)) / 100
    stop = 100 * round(min(150.0, max(10.0, 49 * (factor + late) * math.exp(noise(0, 0.2)))))
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        "setting": schedule,
        "data": "mnist",
        "model": "lenet_300_100",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": LADDER[level],
        "sparsity": 1 - LADDER[level],
        "schedule": schedule,
        "early_stop_iteration": stop,
        "early_stop_censored": stop > 0.95 * LAST,
        "early_stop_test_accuracy": accuracy,
        "final_train_accuracy": 0.999 - 0.002 * max(0.0, sparse - 2.5) ** 2 - (loss > 0.5) * 0.004 * sparse,
        "final_test_accuracy": accuracy + noise(0, 0.0006),
        "iterations": LAST,
        "run": asked,
        **values,
    }


def sweep(seeds: int = SEEDS, schedules: tuple[str, ...] = ("iterative", "one_shot"), draws: int = 2) -> list[Row]:
    """All rows of a sweep: the ticket at every level, controls at seven; one-shot tickets at those seven."""
    rows = []
    for seed in range(seeds):
        if "iterative" in schedules:
            rows += [result(seed, level) for level in range(LEVELS)]
            rows += [result(seed, level, "reinit", draw=draw) for level in CONTROLS for draw in range(draws)]
            rows += [result(seed, level, "shuffle") for level in CONTROLS]
        if "one_shot" in schedules:
            rows += [result(seed, level, schedule="one_shot") for level in (0, *CONTROLS)]
    return rows


def curves_of(rows: list[Row], every: int = 1) -> dict[str, list[Row]]:
    """Run -> curve rows; test accuracy only at one evaluation in `every`."""
    found = {}
    for row in rows:
        noise = random.Random(row["run"]).gauss
        found[row["run"]] = [
            {
                **dict.fromkeys(CURVES),
                "run": row["run"],
                "iteration": at,
                "val_loss": 0.1,
                "test_accuracy": None
                if (at // STEP) % every
                else row["final_test_accuracy"] - 0.8 / (1 + at / 40) ** 1.1 + noise(0, 0.002),
            }
            for at in range(0, LAST + 1, STEP)
        ]
    return found


def gathered(rows: list[Row], curves: Mapping[str, list[Row]] | None = None) -> Gathered:
    """What was gathered, as if from no folder."""
    return Gathered(rows, dict(curves or {}), [])


def test_a_whole_sweep_has_the_papers_three_figures_and_the_same_bytes_again(tmp_path: Path) -> None:
    rows = sweep()
    drawn = draw_sweep(tmp_path / "a", gathered(rows, curves_of(rows)))
    assert [each.name for each in drawn] == ["frankle2019_fig4", "frankle2019_fig1", "frankle2019_fig3"]
    for each in drawn:
        pixels = imread(each.path)[..., :3]
        assert pixels.shape[1] == round(6.9 * 200)  # the text width of a paper
        assert 0.01 < (pixels.min(axis=-1) < 0.9).mean() < 0.5
        assert each.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert "n = 5" in each.caption and "95% t intervals" in each.caption and each.alt
    again = draw_sweep(tmp_path / "b", gathered(rows[:], curves_of(rows)))
    assert [each.path.read_bytes() for each in again] == [each.path.read_bytes() for each in drawn]


def test_figure_4_has_each_arm_once_and_one_shot_as_its_own_line() -> None:
    sketch = sketch_pruning(sweep(), min_max)
    assert sketch
    [legend] = sketch.figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:4] == ["ticket", "reinit", "ticket, one-shot", "dense"]
    assert [axes.get_ylabel().split(" (")[0] for axes in sketch.figure.axes] == [
        "early-stop iteration",
        "test accuracy at early stop",
        "train accuracy at the end",
        "test accuracy at the end",
    ]
    assert "from the lowest to the highest seed" in sketch.caption
    assert "The draws of reinit are averaged within a seed." in sketch.caption
    assert f"reinit: {meaning('reinit')}; one-shot: pruned at once" in sketch.caption


def test_one_shot_reinit_is_drawn_where_it_ran_lighter_than_the_iterative_one() -> None:
    rows = [
        *sweep(),
        *(result(seed, level, "reinit", "one_shot") for seed in range(SEEDS) for level in CONTROLS),
    ]
    sketch = sketch_pruning(rows, t_interval)
    assert sketch
    handles = {handle.get_label(): handle for handle in sketch.figure.legends[0].legend_handles}
    assert list(handles)[:4] == ["ticket", "reinit", "ticket, one-shot", "reinit, one-shot"]
    assert "reinit, one-shot" in sketch.alt

    def grey(name: str) -> float:
        return sum(w * part for w, part in zip((0.3, 0.59, 0.11), to_rgb(handles[name].get_color()), strict=True))

    for arm in ("ticket", "reinit"):
        assert grey(arm) < grey(f"{arm}, one-shot") < 0.72


def test_the_early_stop_alone_is_figure_4s_first_two_panels_short_and_off_the_page(tmp_path: Path) -> None:
    rows = sweep()
    sketch = sketch_early(rows, t_interval)
    assert sketch and [axes.get_ylabel().split(" (")[0] for axes in sketch.figure.axes] == [
        "early-stop iteration",
        "test accuracy at early stop",
    ]
    drawn = draw_sweep(tmp_path, gathered(rows))
    assert sketch.name not in [each.name for each in drawn]
    pixels = imread(tmp_path / f"{sketch.name}.png")
    assert pixels.shape[1] == round(6.9 * 200) and pixels.shape[0] < 0.45 * pixels.shape[1]
    assert (
        sketch_early(
            [row | {"early_stop_iteration": None, "early_stop_test_accuracy": None} for row in rows], t_interval
        )
        is None
    )


def test_without_a_validation_split_what_was_measured_at_the_end_stands_alone() -> None:
    empty = dict.fromkeys(["early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"])
    sketch = sketch_pruning([row | empty for row in sweep()], t_interval)
    assert sketch and len(sketch.figure.axes) == 2
    assert "Hollow" not in sketch.caption


def test_points_are_means_over_seeds_of_means_over_draws_with_the_interval_asked_for() -> None:
    stops = {(0, 0): 1000, (0, 1): 3000, (1, 0): 4000, (1, 1): 6000}
    rows = [
        result(seed, 3, "reinit", draw=draw, early_stop_iteration=stop, early_stop_censored=False)
        for (seed, draw), stop in stops.items()
    ]
    [line] = lines_of(rows, ["ticket", "reinit"], ["ticket"])
    [point] = line.points("early_stop_iteration", min_max)
    assert (point.mean, point.low, point.high) == (3500, 2000, 5000)
    rows[0]["early_stop_censored"] = True
    [bound] = line.points("early_stop_iteration", min_max)
    assert bound.censored and bound.low == bound.mean == bound.high == 3500  # no bar promises an upper end
    assert not line.points("early_stop_test_accuracy", min_max)[0].censored
    assert line.points("early_stop_test_accuracy", t_interval)[0].mean > 90  # percent


def test_a_single_seed_has_no_bars_and_says_so() -> None:
    rows = sweep(seeds=1)
    [ticket, *_] = lines_of(rows, ["ticket"])
    assert all(point.low == point.mean == point.high for point in ticket.points("early_stop_iteration", t_interval))
    sketch = sketch_pruning(rows, t_interval)
    assert sketch and "One seed." in sketch.caption and "error bars" not in sketch.caption


def test_limits_hold_every_mean_but_not_the_bars_of_two_seeds() -> None:
    rows = sweep(seeds=2)
    points = [point for line in lines_of(rows, ["ticket"]) for point in line.points("final_test_accuracy", t_interval)]
    low, high = fitting(points)
    assert low < min(point.mean for point in points) and max(point.mean for point in points) < high
    assert high - low < max(point.high for point in points) - min(point.low for point in points)
    sketch = sketch_pruning(rows, t_interval)
    assert sketch and "go on beyond it" in sketch.caption


def test_bars_that_would_begin_before_the_first_iteration_are_said_to_go_on() -> None:
    stops = {0: (5000, 5000), 1: (4000, 4000), 2: (250, 350)}  # of the last, 300 +- 635
    rows = [result(seed, level, early_stop_iteration=stop) for level in stops for seed, stop in enumerate(stops[level])]
    empty = dict.fromkeys(["early_stop_test_accuracy", "final_train_accuracy", "final_test_accuracy"])
    sketch = sketch_pruning([row | empty for row in rows], t_interval)
    assert sketch and len(sketch.figure.axes) == 1 and "go on beyond it" in sketch.caption
    assert sketch.figure.axes[0].get_ylim()[0] == 0


def test_no_axis_promises_more_than_all() -> None:
    rows = [row | {"final_train_accuracy": 1 - 0.004 * row["seed"] - 0.001 * row["level"]} for row in sweep(seeds=3)]
    sketch = sketch_pruning(rows, t_interval)
    assert sketch
    [train] = [axes for axes in sketch.figure.axes if axes.get_ylabel().startswith("train")]
    assert 100 <= train.get_ylim()[1] < 100.1


def test_equal_values_have_limits_around_them() -> None:
    low, high = fitting([Summary(0.5, 99.0, 99.0, 99.0), Summary(0.4, 99.0 + 1e-13, 99.0, 99.0 + 1e-13)])
    assert low < 98.999 and high > 99.001


def test_figure_1_needs_the_random_networks() -> None:
    assert sketch_sparse([row for row in sweep() if row["arm"] != "shuffle"], t_interval) is None


def test_a_dense_network_alone_has_no_figure(tmp_path: Path) -> None:
    rows = [result(seed, 0) for seed in range(3)]
    assert draw_sweep(tmp_path, gathered(rows, curves_of(rows))) == []


def test_figure_3_takes_the_nearest_levels_and_says_which_are_missing() -> None:
    assert nearest((0.513, 0.211), LADDER) == [3, 7]
    assert nearest((0.07, 0.036, 0.019), LADDER) == [12, 15, 16]  # the last is at 2.9%
    assert nearest((0.07, 0.036), {0: 1.0, 1: 0.8}) == []
    rows = sweep()
    sketch = sketch_training(rows, curves_of(rows), t_interval)
    assert sketch and len(sketch.figure.axes) == 3
    assert "100%, 51.3%, 21.1%, 7.0%, 3.6%, 2.9%" in sketch.caption
    assert "No level has the paper's 1.9%" in sketch.caption
    assert "mean of 3 evaluations in a row" in sketch.caption


def test_figure_3_is_left_out_where_the_test_set_was_not_always_looked_at(tmp_path: Path) -> None:
    rows = sweep(seeds=2, draws=1)
    assert sketch_training(rows, curves_of(rows, every=2), t_interval) is None
    names = [each.name for each in draw_sweep(tmp_path, gathered(rows, {}))]
    assert names == ["frankle2019_fig4", "frankle2019_fig1"]


def test_a_curve_is_the_mean_over_seeds_of_means_over_draws() -> None:
    rows = [result(seed, 3, "reinit", draw=draw) for seed, draw in ((0, 0), (0, 1), (1, 0))]
    heights = dict(zip((row["run"] for row in rows), (0.7, 0.9, 0.4), strict=True))
    curves = {
        run: [{**dict.fromkeys(CURVES), "iteration": at, "test_accuracy": height} for at in (0, 100)]
        + [{**dict.fromkeys(CURVES), "iteration": 50, "grad_norm": 1.0}]  # an observer's row is no evaluation
        for run, height in heights.items()
    }
    training = mean_curve(rows, curves, "reinit", 3, min_max)
    assert training and training.seeds == 2
    assert training.curve == {at: pytest.approx((60.0, 40.0, 80.0)) for at in (0, 100)}


def test_diverged_trainings_are_named_and_seeds_are_counted() -> None:
    rows = sweep()
    lost = next(row for row in rows if row["arm"] == "reinit" and row["level"] == 16)
    lost |= {"status": "diverged", **dict.fromkeys(RESULTS.names[14:21])}
    sketch = sketch_pruning(rows, t_interval)
    assert sketch and "Left out, as they diverged: trainings of reinit at 2.9%." in sketch.caption
    assert seeds_in([row for row in rows if (row["seed"], row["level"]) != (4, 2)]) == "n = 4 to 5"


def test_seeds_are_counted_in_each_setting() -> None:
    rows = [row for row in sweep() if row["schedule"] == "iterative" or row["seed"] < 2]
    assert seeds_in(rows) == "n = 2 to 5"  # the five of the iterative setting are none of the one-shot's


def test_settings_are_never_mixed() -> None:
    rows = sweep(seeds=2, draws=1)
    with pytest.raises(ValueError, match="several settings"):
        sketch_pruning([*rows, *(row | {"setting": "other"} for row in rows)], t_interval)
