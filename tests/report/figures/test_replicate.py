"""Figures: there is one for all that was measured, none for what was not, and equal rows give equal files."""

import logging
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from lth.report.figures.replicate import draw_replicate, layer_lines, sketch_accuracy, sketch_gradient_norm
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from lth.core.tables import Row
from lth.report.figures.axes import PLAIN, STYLES, density_axis, log_axis, summarize
from lth.report.figures.curves import levels_shown, sketch_curves
from lth.report.figures.drawing import Drawn
from lth.report.statistics import percent
from lth.report.tables import CURVES, LAYERS, RESULTS

EVALUATIONS = range(0, 2001, 100)


def result(level: int, arm: str = "ticket", draw: int = 0, **values: Any) -> Row:
    """One row of results, made up: the ticket stays, controls fall; the last level's early stop is censored."""
    density, loss = 0.8**level, 0.0 if arm == "ticket" else 0.02 * level + 0.01 * draw
    return {
        **dict.fromkeys(RESULTS),
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": density,
        "sparsity": 1 - density,
        "rewind": 0,
        "early_stop_iteration": 2000 if level == 5 else 600 + 100 * level,
        "early_stop_censored": level == 5,
        "early_stop_test_accuracy": 0.9 - loss,
        "final_test_accuracy": 0.88 - loss,
        "grad_norm_init": 0.7 * density,
        "grad_norm_end": 0.1 + loss,
        "run": f"{arm}-{level}-{draw}",
        **values,
    }


def replicate(arms: dict[str, int], levels: int = 5) -> list[Row]:
    """The results of the ticket and of `arms`, each with its number of draws, at levels 0 to `levels`."""
    controls = [(level, arm, draw) for level in range(1, levels + 1) for arm in arms for draw in range(arms[arm])]
    return [result(level) for level in range(levels + 1)] + [result(*control) for control in controls]


def layers_of(results: list[Row]) -> list[Row]:
    """Rows of layers: two that are pruned alike and one that keeps more."""
    exponents = {"fc1": 1.0, "fc2": 1.001, "_output": 0.5}
    return [
        {**dict.fromkeys(LAYERS), **{key: row[key] for key in ("run", "level", "arm", "draw")}, "layer": name}
        | {"density": row["density"] ** exponents[name]}
        for row in results
        for name in exponents
    ]


def curves_of(results: list[Row], *columns: str) -> list[Row]:
    """Rows of curves that have `columns`, an evaluation each."""
    made = {"val_loss": 2.3, "val_accuracy": 0.1, "train_loss": 2.4}
    return [
        {**dict.fromkeys(CURVES), "run": row["run"], "iteration": at}
        | {column: made[column] + (1 if "acc" in column else -1) * 0.8 * at / (at + 200) for column in columns}
        for row in results
        for at in EVALUATIONS
    ]


def draw(folder: Path, results: list[Row], *columns: str) -> dict[str, Drawn]:
    """What is drawn of `results` and curves of `columns`, by name."""
    return {
        each.name: each for each in draw_replicate(folder, results, layers_of(results), curves_of(results, *columns))
    }


def assert_drawn(drawn: Drawn) -> None:
    """Both files are there, the picture has much white and much else, and nothing temporary is left."""
    pixels = imread(drawn.path)[..., :3]
    inked = (pixels.min(axis=-1) < 0.9).mean()
    assert 0.01 < inked < 0.5
    assert pixels.shape[1] >= 800
    assert drawn.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert drawn.caption.strip() and drawn.alt and drawn.title
    assert not list(drawn.path.parent.glob(".*"))


def test_a_full_replicate_has_all_four_figures(tmp_path: Path) -> None:
    drawn = draw(tmp_path, replicate({"reinit": 3, "scratch": 1}), "val_loss", "val_accuracy")
    assert list(drawn) == ["accuracy", "curves", "gradient_norm", "layers"]
    for each in drawn.values():
        assert_drawn(each)
    assert "For reinit: means over 3 draws" in drawn["accuracy"].caption
    assert "last 5%" in drawn["accuracy"].caption
    assert "At 32.8% of the weights: ticket 90.0%, reinit 79.0%, scratch 80.0%." in drawn["accuracy"].alt


def test_without_a_validation_split_the_final_accuracy_stands_alone(tmp_path: Path) -> None:
    early = ("early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy")
    results = [row | dict.fromkeys(early) for row in replicate({"reinit": 1})]
    sketch = sketch_accuracy(results)
    assert sketch and [axes.get_ylabel() for axes in sketch.figure.axes] == ["final test accuracy (%)"]
    drawn = draw(tmp_path, results, "train_loss")
    assert_drawn(drawn["accuracy"])
    assert "early stop" not in drawn["accuracy"].caption
    assert drawn["curves"].caption.startswith("Training loss against")


def test_the_dense_network_alone_has_its_curves_and_nothing_against_density(tmp_path: Path) -> None:
    drawn = draw(tmp_path, replicate({}, levels=0), "val_loss", "val_accuracy")
    assert list(drawn) == ["curves"]
    assert_drawn(drawn["curves"])


def diverged(row: Row) -> Row:
    """`row` as a training that diverged leaves it."""
    kept = ("level", "arm", "draw", "density", "sparsity", "rewind", "grad_norm_init", "run")
    return {**dict.fromkeys(RESULTS), **{key: row[key] for key in kept}, "status": "diverged"}


def test_what_diverged_at_once_has_no_figure(tmp_path: Path) -> None:
    assert draw(tmp_path, [diverged(result(0))], "val_loss") == {}
    assert list(tmp_path.iterdir()) == []


def test_diverged_trainings_break_the_line_and_are_named(tmp_path: Path) -> None:
    lost = {("reinit", 3), ("shuffle", 1), ("shuffle", 2), ("shuffle", 3), ("shuffle", 4), ("shuffle", 5)}
    rows = replicate({"reinit": 1, "shuffle": 1})
    results = [diverged(row) if (row["arm"], row["level"]) in lost else row for row in rows]
    means = [each.mean for each in summarize(results, "reinit", "final_test_accuracy")]
    assert [mean == mean for mean in means] == [True, True, False, True, True]
    sketch = sketch_accuracy(results)
    assert sketch and [text.get_text() for text in sketch.figure.legends[0].texts][:3] == ["ticket", "reinit", "dense"]
    drawn = draw(tmp_path, results)
    assert "shuffle at 80.0%, 64.0%, 51.2%, 41.0%, 32.8%; reinit at 51.2%." in drawn["accuracy"].caption
    for each in drawn.values():
        assert_drawn(each)


def test_no_gradient_norm_no_figure_and_no_empty_panel(tmp_path: Path) -> None:
    norms = ("grad_norm_init", "grad_norm_end")
    assert sketch_gradient_norm([row | dict.fromkeys(norms) for row in replicate({"reinit": 1})]) is None
    sketch = sketch_gradient_norm([row | {"grad_norm_end": None} for row in replicate({"reinit": 1})])
    assert sketch and len(sketch.figure.axes) == 1


def test_a_gradient_norm_of_zero_has_no_place_on_a_logarithmic_axis() -> None:
    results = [row | ({"grad_norm_init": 0.0} if row["level"] == 5 else {}) for row in replicate({"reinit": 1})]
    sketch = sketch_gradient_norm(results)
    assert sketch
    sketch.figure.draw_without_rendering()
    assert sketch.figure.axes[0].get_ylim()[0] > 0.1


def test_equal_rows_give_equal_files(tmp_path: Path) -> None:
    results = replicate({"reinit": 1}, levels=1)
    for folder in ("first", "second"):
        draw(tmp_path / folder, results)
    for path in sorted((tmp_path / "first").iterdir()):
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name
    assert b"CreationDate" not in (tmp_path / "first" / "accuracy.pdf").read_bytes()


def test_nothing_global_changes_and_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = dict(matplotlib.rcParams)
    with caplog.at_level(logging.INFO):
        draw(tmp_path, replicate({}, levels=0), "val_loss")
    assert dict(matplotlib.rcParams) == before
    assert caplog.records == []


def test_density_falls_to_the_right_with_plain_labels() -> None:
    with matplotlib.rc_context(PLAIN):
        figure = Figure()
        axes = figure.subplots()
        density_axis(axes, [0.8**level for level in range(22)])
        figure.draw_without_rendering()
    left, right = axes.get_xlim()
    assert left > 100 > right > 0
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels[0] == "100" and labels[-1] == "0.92" and "51.2" in labels
    assert len(labels) <= 8
    assert len(axes.get_xticks(minor=True)) + len(labels) >= 22


def test_the_main_figure_has_a_falling_density_axis_in_every_panel() -> None:
    sketch = sketch_accuracy(replicate({"reinit": 1}))
    assert sketch and len(sketch.figure.axes) == 2
    for axes in sketch.figure.axes:
        left, right = axes.get_xlim()
        assert left > right
        assert axes.get_xscale() == "log"


def test_nothing_left_is_no_place_on_the_density_axis() -> None:
    axes = Figure().subplots()
    density_axis(axes, [1.0, 0.1, 0.0])
    assert axes.get_xlim()[1] > 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.21, 0.34], {"0.25", "0.3"}), ([0.02, 0.9], {"0.05", "0.5"}), ([1e-4, 5], {"0.001", "1"})],
)
def test_a_logarithmic_axis_is_labelled_in_plain_numbers(values: list[float], expected: set[str]) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], values)
    log_axis(axes, [*values, 0.0])
    figure.draw_without_rendering()
    assert expected <= {tick.get_text() for tick in axes.get_yticklabels()}


@pytest.mark.parametrize(
    ("density", "text"), [(1.0, "100"), (0.9999, "100"), (0.5129, "51.3"), (0.01, "1.0"), (0.0052, "0.52")]
)
def test_percent_is_written_as_in_the_papers(density: float, text: str) -> None:
    assert percent(density) == text


def test_arms_differ_in_colour_marker_and_dashes_and_stand_out_from_white_in_grey() -> None:
    for values in ([look.colour for look in STYLES.values()], [look.marker for look in STYLES.values()]):
        assert len(set(values)) == len(STYLES)
    assert len({str(look.dashes) for look in STYLES.values()}) == len(STYLES) - 1  # dense and ticket: two widths
    for look in STYLES.values():
        red, green, blue = to_rgb(look.colour)
        assert 0.3 * red + 0.59 * green + 0.11 * blue < 0.72


def test_summaries_are_means_with_the_lowest_and_highest_draw() -> None:
    rows = [result(5, "reinit", draw) for draw in range(3)]
    (summary,) = summarize(rows, "reinit", "early_stop_test_accuracy", 100)
    assert (summary.low, summary.mean, summary.high) == pytest.approx((78, 79, 80))
    assert not summary.censored
    assert summarize(rows, "reinit", "early_stop_iteration")[0].censored


def test_curves_show_levels_that_controls_ran_at() -> None:
    assert levels_shown(replicate({}, levels=13)) == [4, 7, 10, 13]
    assert levels_shown(replicate({"reinit": 1}, levels=2)) == [1, 2]
    assert levels_shown([*replicate({}, levels=13), result(3, "reinit"), result(9, "reinit")]) == [3, 9]
    assert levels_shown([result(0)]) == [0]


def test_curves_end_with_the_panels_that_have_data() -> None:
    results = replicate({"reinit": 1})
    sketch = sketch_curves(results, curves_of(results, "val_loss"))
    assert sketch and len(sketch.figure.axes) == 4
    assert all(axes.lines for axes in sketch.figure.axes)
    assert sketch_curves(results, curves_of(results)) is None


def test_layers_that_are_pruned_alike_share_a_line() -> None:
    lines = layer_lines(layers_of(replicate({}, levels=5)))
    assert list(lines) == ["fc1, fc2", "_output"]
    many = [{"arm": "ticket", "layer": f"conv{i}", "level": 0, "density": 1.0} for i in range(9)]
    assert list(layer_lines(many)) == ["conv0 and 8 more"]
