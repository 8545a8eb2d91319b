"""The figures of `lth imp`: of one seed, over seeds, and as Figures 1, 3, 4 and 5 of Frankle & Carbin 2019."""

from collections.abc import Sequence
from dataclasses import replace

from lth.core.tables import Row
from lth.report.compared import compared_column, is_early
from lth.report.comparison import Comparison
from lth.report.figures.curves import sketch_curves
from lth.report.figures.drawing import Drawing
from lth.report.figures.layers import sketch_layers
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import (
    ACCURACY_EARLY,
    ACCURACY_END,
    EARLY_STOP,
    TRAIN_ACCURACY_END,
    Line,
    Measure,
    arm_lines,
    arm_meanings,
)
from lth.report.gather import Gathered
from lth.report.intervals import Summarize
from lth.report.results import Results
from lth.training.recipe import EXAMPLES

from . import networks, ways
from .tables import TABLES
from .training_figure import sketch_training


def accuracy_measures(rows: Sequence[Row]) -> list[Measure]:
    """Test metric and iteration of the early stop; without a validation split, the metric at the end alone."""
    return [ACCURACY_EARLY, EARLY_STOP] if is_early(compared_column(rows)) else [ACCURACY_END]


def tickets_and_reinit(rows: Sequence[Row]) -> list[Line]:
    """The ticket and reinit, each also in the one-shot schedule where it was run."""
    return arm_lines([row for row in rows if row["arm"] in ("ticket", "reinit")])


def random_sparsity(rows: Sequence[Row]) -> list[Line]:
    """The ticket (solid) and its mask shuffled within each layer (dashed)."""
    iterative = [row for row in rows if row["schedule"] != "one_shot" and row["arm"] in ("ticket", "shuffle")]
    return [
        replace(line, style=replace(line.style, dashes=(0, (4, 1.5)))) if line.arm == "shuffle" else line
        for line in arm_lines(iterative)
    ]


ACCURACY = LineFigure(
    "accuracy",
    "Accuracy and early stop",
    "Test accuracy at the early stop and its iteration, or without a validation split the test accuracy at the end of"
    " training, against density: the percentage of prunable weights that are left, dense on the left, on a logarithmic"
    " axis.",
    choose=accuracy_measures,
    caption=lambda results: (
        "The early stop is the evaluation with the lowest validation loss, found after full training."
        if any(row["early_stop_iteration"] is not None for row in results["results"])
        else ""
    ),
)
GRADIENT_NORM = LineFigure(
    "gradient_norm",
    "Gradient norm",
    "L2 norm of the gradient of the training loss with respect to all weights that are left, biases and normalisation"
    f" parameters, on {EXAMPLES:,} fixed training examples, before the first iteration and after the last, against"
    " density. Both axes are logarithmic.",
    (
        Measure("grad_norm_init", "gradient norm at the start", log=True),
        Measure("grad_norm_end", "gradient norm at the end", log=True),
    ),
    dense=False,
)
PANELS = (
    Measure("distance_to_init", "L2", title="distance to own start"),
    Measure("distance_to_pruned", "L2", title="distance to pruned solution"),
    Measure("cosine_distance_to_pruned", "1 - cosine", title="angle to pruned solution"),
    Measure("train_loss_barrier", "nats", title="barrier of training loss"),
    Measure("test_loss_barrier", "nats", title="barrier of test loss"),
    Measure("test_error_barrier", "points", 100, title="barrier of test error"),
    Measure("disagreement_with_pruned", "% of the test set", 100, title="disagrees with pruned"),
    Measure("disagreement_with_ticket", "% of the test set", 100, title="disagrees with ticket"),
    Measure("kl_with_pruned", "nats", title="KL with pruned solution"),
    Measure("disagreement_between_draws", "% of the test set", 100, title="disagreement of draws"),
    Measure("ensemble_accuracy", "%", 100, title="accuracy of the draws' ensemble"),
)
"""The panels of lth's own probes; the columns that are not here are in probes.csv alone."""
KNOWN = {column.name for table in TABLES for column in table.columns}


def probe_measures(rows: Sequence[Row]) -> list[Measure]:
    """The panels of lth's own probes, and one for each number that a probe from elsewhere measures."""
    others = dict.fromkeys(
        name for row in rows for name, value in row.items() if name not in KNOWN and isinstance(value, float)
    )
    return [*PANELS, *(Measure(name, name, title=name.replace("_", " ")) for name in others)]


PROBES = LineFigure(
    "probes",
    "Distance to the pruned solution",
    "Every arm at the end of training, under its own mask, against the pruned solution of its level: the trained"
    " weights that the level's mask was taken from, pruned by it and not trained again.",
    choose=probe_measures,
    table="probes",
    across=3,
    height=1.55,
    dense=False,
    caption=lambda results: probes_caption(results),
)
LEVEL_TO_LEVEL = LineFigure(
    "level_to_level",
    "Consecutive levels",
    "Between the trained ticket of each density and that of the level before: how far the error rises on the straight"
    " line from the one to the other above the line between their own errors. Beside it, how much more accurate the"
    " ticket is at the end of training than the dense network of its seed.",
    (
        Measure("test_error_barrier_to_previous", "barrier of test error (points)", 100),
        Measure("train_error_barrier_to_previous", "barrier of training error (points)", 100),
        Measure("test_accuracy_less_dense", "accuracy above dense (points)", 100),
    ),
    table="probes",
    lines=lambda rows: arm_lines([row for row in rows if row["arm"] == "ticket"]),
    caption=lambda results: examples_of_lines(results["probes"]),
    across=3,
    height=1.9,
    dense=False,
)
FIGURES = (
    ACCURACY,
    Drawing("curves", sketch_curves),
    GRADIENT_NORM,
    PROBES,
    LEVEL_TO_LEVEL,
    Drawing("layers", sketch_layers),
)


def probes_caption(results: Results) -> str:
    """What the panels of the probes show, in words."""
    rows = results["probes"]
    sentences = {
        "Distances are over weights and biases, with pruned weights as zeros; an arm's own start is where its training"
        " began.": "distance_to_init",
        "The barrier is how far the loss (nats) or the error rises on the straight line between the two networks above"
        " the line between their own values; it is 0 where both lie in one basin.": "train_loss_barrier",
        "Disagreement is the percentage of the test set that two networks classify differently; KL is the symmetric"
        " Kullback-Leibler divergence of their probabilities.": "disagreement_with_pruned",
    }
    caption = " ".join(
        sentence for sentence, column in sentences.items() if any(row.get(column) is not None for row in rows)
    )
    caption += examples_of_lines(rows)
    if any(row["arm"] == "small_dense" for row in rows):
        caption += " small_dense has other shapes, and so only a distance to its own start."
    return caption


def examples_of_lines(rows: Sequence[Row]) -> str:
    """On how many examples barriers were measured, where not on all."""
    few = max((row.get("line_examples") or 0 for row in rows), default=0)
    return f" Barriers were measured on {few:,} fixed examples of each split." if few else ""


def tickets_of_figure_4(rows: Sequence[Row]) -> list[Line]:
    """The ticket and reinit of any network but those that Figure 5 has."""
    return [] if is_of_figure_5(rows) else tickets_and_reinit(rows)


def is_of_figure_5(rows: Sequence[Row]) -> bool:
    """Whether the network of these rows is one of Figure 5."""
    return any(row["model"] in networks.NETWORKS for row in rows)


FIGURE_4 = LineFigure(
    "frankle2019_fig4",
    "Early stop and accuracy",
    "Figure 4 of Frankle & Carbin 2019: early-stop iteration, test accuracy there, and accuracy at the end of training"
    " against the percentage of prunable weights that are left.",
    (EARLY_STOP, ACCURACY_EARLY, TRAIN_ACCURACY_END, ACCURACY_END),
    lines=tickets_of_figure_4,
    legend=arm_meanings,
    letters=True,
)
FIGURE_5 = replace(
    FIGURE_4,
    name="frankle2019_fig5",
    about="One network of Figure 5 of Frankle & Carbin 2019: early-stop iteration, test accuracy there, and accuracy at"
    " the end of training against the percentage of prunable weights that are left.",
    lines=lambda rows: tickets_and_reinit(rows) if is_of_figure_5(rows) else [],
)
FIGURE_4_EARLY = replace(
    FIGURE_4,
    name="frankle2019_fig4_early",
    title="Early stop",
    about="From Figure 4 of Frankle & Carbin 2019: early-stop iteration and test accuracy there against the"
    " percentage of prunable weights that are left.",
    measures=(EARLY_STOP, ACCURACY_EARLY),
    on_page=False,
)
FIGURE_1 = replace(
    FIGURE_4,
    name="frankle2019_fig1",
    title="Tickets and random sparse networks",
    about="Figure 1 of Frankle & Carbin 2019: early-stop iteration and test accuracy there, of tickets and of random"
    " sparse networks (dashed), against the percentage of prunable weights that are left.",
    measures=(EARLY_STOP, ACCURACY_EARLY),
    lines=random_sparsity,
    least=2,
)
SEED_FIGURES = (
    FIGURE_4,
    FIGURE_5,
    FIGURE_1,
    Drawing("frankle2019_fig3", sketch_training),
    GRADIENT_NORM,
    PROBES,
    LEVEL_TO_LEVEL,
    FIGURE_4_EARLY,
)


def compared(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """What a report shows across settings: networks side by side, and what levels rewind."""
    return [*networks.compare(gathered, bars), *ways.compare(gathered, bars)]


COMPARED = compared
