"""What probes see of every arm against density: small panels, a row a probe."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lth.analysis.level_probes import PROBES_OF_LTH
from lth.analysis.probes import LINE_EXAMPLES, PROBES_TABLE
from lth.core.tables import Row
from lth.report.figures.axes import (
    about_draws,
    arm_handle,
    arm_style,
    arms_with,
    density_axis,
    legend_above,
    new_figure,
    plot_band,
    summarize,
)
from lth.report.figures.drawing import Sketch
from lth.report.statistics import at, densities, measured, percent

Panel = tuple[str, str, float]
"""A column, what its panel is called, and the factor that it is shown with."""
PANELS: tuple[tuple[Panel, ...], ...] = (
    (
        ("distance_to_init", "L2 distance to own start", 1.0),
        ("distance_to_pruned", "L2 distance to pruned solution", 1.0),
        ("cosine_distance_to_pruned", "1 - cosine with pruned solution", 1.0),
    ),
    (
        ("train_loss_barrier", "barrier of training loss", 1.0),
        ("test_loss_barrier", "barrier of test loss", 1.0),
        ("test_error_barrier", "barrier of test error (points)", 100.0),
    ),
    (
        ("disagreement_with_pruned", "disagrees with pruned solution (%)", 100.0),
        ("disagreement_with_ticket", "disagrees with ticket (%)", 100.0),
        ("kl_with_pruned", "KL with pruned solution", 1.0),
    ),
    (
        ("disagreement_between_draws", "disagreement between draws (%)", 100.0),
        ("ensemble_accuracy", "accuracy of the draws' ensemble (%)", 100.0),
    ),
)
"""By row; what is not here is in `probes.csv` alone."""
ABOUT = {
    "distance": "Distance: over weights and biases, pruned ones as zeros; own start: where its training began.",
    "interpolation": "Barrier: how far loss (nats) or error rises, on the straight line between the two networks, above"
    " what lies between their own; 0 where they are in one basin.",
    "agreement": "Agreement: the share of the test set that two networks classify differently, and the symmetric KL"
    " divergence of their probabilities (nats).",
}


def sketch_probes(results: Sequence[Row], probes: Sequence[Row]) -> Sketch | None:
    """All that was measured, a row of panels a probe; None without two levels."""
    rows = [[panel for panel in across if arms_with(probes, panel[0])] for across in [*PANELS, *others(probes)]]
    rows = [across for across in rows if across]
    if not rows or len(densities(probes)) < 2:
        return None
    figure, grid = new_figure(len(rows), max(len(across) for across in rows), 0.6 + 1.55 * len(rows))
    for number, across in enumerate(rows):
        below = len(rows[number + 1]) if number + 1 < len(rows) else 0
        for axes in grid[number][len(across) :]:
            axes.set_axis_off()
        for column, (axes, panel) in enumerate(zip(grid[number], across, strict=False)):
            _draw(axes, probes, *panel)
            if column < below:  # the panel below says it
                axes.set_xlabel("")
    arms = arms_with(probes, *(column for across in rows for column, _, _ in across))
    legend_above(figure, [arm_handle(arm) for arm in arms])
    caption = f"{_about(probes)} {about_draws(results)}"
    return Sketch("probes", "Against the pruned solution", caption, _values(rows, probes), figure)


def others(probes: Sequence[Row]) -> list[list[Panel]]:
    """Panels for the numbers of probes that are not lth's, three a row, under the names of their columns."""
    known = {*PROBES_TABLE.names, *(column.name for one in PROBES_OF_LTH for column in one.columns)}
    names = [name for name in (probes[0] if probes else ()) if name not in known]
    panels = [
        (name, name.replace("_", " "), 1.0) for name in names if not any(isinstance(row[name], str) for row in probes)
    ]
    return [panels[start : start + 3] for start in range(0, len(panels), 3)]


def _about(probes: Sequence[Row]) -> str:
    """What the panels show, in words."""
    caption = (
        "Every arm as it ends, under its own mask, against the pruned solution of its level: the trained weights that"
        " the level's mask was taken from, pruned by it and not trained again. "
    )
    measured_by = {
        one.name: [column.name for column in one.columns if column != LINE_EXAMPLES] for one in PROBES_OF_LTH
    }
    caption += " ".join(ABOUT[name] for name, columns in measured_by.items() if arms_with(probes, *columns))
    few = max((row["line_examples"] or 0 for row in probes), default=0)
    caption += f" Barriers were seen on {few:,} fixed examples of each split." if few else ""
    if any(row["arm"] == "small_dense" for row in probes):
        caption += " small_dense has other shapes, and so a distance to its own start alone."
    return caption


def _draw(axes: Axes, probes: Sequence[Row], column: str, title: str, factor: float) -> None:
    lines = {arm: summarize(probes, arm, column, factor) for arm in arms_with(probes, column)}
    for arm in reversed(lines):  # the ticket, drawn last, lies on top
        plot_band(axes, arm_style(arm), lines[arm])
    density_axis(axes, densities(probes).values(), labels=4)
    axes.set_title(title, loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    values = [end for line in lines.values() for each in line for end in (each.low, each.high) if measured(end)]
    if column != "ensemble_accuracy" and min(values) >= 0:
        top = max(values) or 1.0
        axes.set_ylim(-0.06 * top, 1.06 * top)  # so that a marker at 0 is not cut


def _values(rows: Sequence[Sequence[Panel]], probes: Sequence[Row]) -> str:
    """Every panel's values at the sparsest level, in words."""
    last = max(densities(probes))
    words = []
    for column, title, factor in (panel for across in rows for panel in across):
        found = {arm: at(probes, last, arm, column) for arm in arms_with(probes, column)}
        shown = ", ".join(f"{arm} {factor * value:.3g}" for arm, value in found.items() if value is not None)
        words.append(f"{title}: {shown}")
    return f"At {percent(densities(probes)[last])}% of the weights: {'; '.join(words)}."
