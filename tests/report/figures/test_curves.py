"""Training curves: some levels side by side, and no panel without a curve."""

import pytest
from matplotlib.figure import Figure

from lth.report.figures.curves import levels_shown, log_iterations, sketch_curves
from lth.report.results import Results


def sketch(results, curves):
    return sketch_curves(Results({"results": results, "curves": curves}))


def drawn_lines(axes):
    """The lines of a panel that are not a marker alone."""
    return [line for line in axes.lines if len(line.get_xdata()) > 1]


def test_levels_that_controls_ran_at_are_shown(make_row, make_rows):
    assert levels_shown(make_rows({}, levels=13)) == [4, 7, 10, 13]
    assert levels_shown(make_rows({"reinit": 1}, levels=2)) == [1, 2]
    assert levels_shown([*make_rows({}, levels=13), make_row(3, "reinit"), make_row(9, "reinit")]) == [3, 9]
    assert levels_shown([make_row(0)]) == [0]


def test_a_row_of_panels_for_accuracy_and_one_for_loss(make_rows, make_curves):
    results = make_rows({"reinit": 3})
    made = sketch(results, make_curves(results, "val_loss", "val_accuracy"))
    assert made.name == "curves" and len(made.figure.axes) == 8
    assert made.caption.startswith("Validation accuracy and validation loss against the iteration.")
    assert "For reinit: means over 3 draws" in made.caption and "Markers show the early stop" in made.caption
    assert "after iteration 200" in made.caption
    assert [text.get_text() for text in made.figure.legends[0].get_texts()] == ["dense", "ticket", "reinit"]
    assert all(len(drawn_lines(axes)) == 3 for axes in made.figure.axes)


def test_the_text_for_those_who_cannot_see_it_has_the_first_and_last_value_of_each_curve(make_rows, make_curves):
    results = make_rows({"reinit": 1}, levels=1)
    alt = sketch(results, make_curves(results, "val_loss", "val_accuracy")).alt
    assert "validation accuracy (%) at 80.0% of the weights, reinit: 10 to 82.727" in alt
    assert "validation loss at 80.0% of the weights, dense: 2.3 to 1.5727" in alt


def test_only_what_was_measured_has_panels(make_rows, make_curves):
    results = make_rows({"reinit": 1})
    made = sketch(results, make_curves(results, "val_loss"))
    assert len(made.figure.axes) == 4 and all(axes.lines for axes in made.figure.axes)
    assert sketch(results, make_curves(results)) is None
    assert sketch(results, []) is None


def test_without_a_validation_split_test_accuracy_and_training_loss_are_shown(make_rows, make_curves):
    results = make_rows({"reinit": 1})
    made = sketch(results, make_curves(results, "train_loss"))
    assert made.caption.startswith("Training loss against") and "early stop" not in made.caption
    both = sketch(results, make_curves(results, "train_loss", "test_accuracy"))
    assert both.caption.startswith("Test accuracy and training loss against")


def test_the_dense_network_alone_has_its_curves(make_rows, make_curves):
    results = make_rows({}, levels=0)
    made = sketch(results, make_curves(results, "val_loss", "val_accuracy"))
    assert len(made.figure.axes) == 2 and "Each panel" not in made.caption


def test_trainings_that_diverged_are_left_out_and_named(make_rows, make_curves, diverged):
    rows = [diverged(row) if row["arm"] == "reinit" and row["level"] == 5 else row for row in make_rows({"reinit": 1})]
    made = sketch(rows, make_curves(rows, "val_loss"))
    assert "of reinit at 32.8% 1 of 1 failed" in made.caption
    assert [len(drawn_lines(axes)) for axes in made.figure.axes] == [3, 3, 3, 2]
    assert sketch([diverged(row) for row in rows], make_curves(rows, "val_loss")) is None


@pytest.mark.parametrize(
    ("last", "labels"), [(1000, {"0", "50", "100", "200", "500", "1,000"}), (30000, {"0", "100", "1,000", "10,000"})]
)
def test_an_axis_of_iterations_has_few_labels_over_its_whole_length(last, labels):
    figure = Figure()
    axes = figure.subplots()
    log_iterations(axes, 50, last)
    figure.draw_without_rendering()
    assert {tick.get_text() for tick in axes.get_xticklabels()} == labels


def test_the_axis_fits_what_comes_after_the_leap_from_chance_and_every_early_stop(make_rows, make_curves):
    results = make_rows({}, levels=1)
    low, high = sketch(results, make_curves(results, "val_loss")).figure.axes[0].get_ylim()
    assert low < 2.3 - 0.8 * 2000 / 2200 and high == pytest.approx(2.3 - 0.8 * 0.5, abs=0.05)
