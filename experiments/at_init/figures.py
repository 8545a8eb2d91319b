"""The figures of `lth at_init`, of one seed or several: methods side by side, and each with its ablations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lth.core.tables import Row
from lth.pruning.methods import METHODS
from lth.report.figures.axes import ArmStyle, arm_style
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import ACCURACY_END, Line, arm_meanings
from lth.report.statistics import arms_of

from .methods import by_method, compared, meanings

STYLES = {
    "imp": ArmStyle("#0072B2", "o", "-", 1.6),
    "magnitude_after": ArmStyle("#56B4E9", "<", (0, (5, 1.5))),
    "synflow": ArmStyle("#E69F00", "s", (0, (4, 1.5))),
    "snip": ArmStyle("#D55E00", "D", (0, (2, 1))),
    "grasp": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "grasp_magnitude": ArmStyle("#117733", "v", (0, (1, 1.2))),
    "magnitude": ArmStyle("#CC79A7", "P", (0, (8, 1.5))),
    "random": ArmStyle("#8C8C8C", "X", (0, (1, 1))),
}
"""Method -> how it looks."""


def method_lines(rows: Sequence[Row]) -> list[Line]:
    """The mask of each method as it is, a line a method."""
    return [
        Line(method, "ticket", style_of(method), mine)
        for method, mine in by_method(compared(rows)).items()
        if any(row["level"] for row in mine)
    ]


def with_ablations(rows: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
    """Method -> its rows, for those that have ablations."""
    return {method: mine for method, mine in by_method(compared(rows)).items() if len(arms_of(mine)) > 1}


def style_of(method: str) -> ArmStyle:
    """How a method looks."""
    assert method not in METHODS or method in STYLES, method
    return STYLES.get(method, arm_style(method))


def prunes(lines: Sequence[Line]) -> str:
    """What each method prunes, for the caption."""
    texts = meanings(line.label for line in lines)
    return "the methods prune: " + "; ".join(f"{name}: {text}" for name, text in texts.items())


METHODS_FIGURE = LineFigure(
    "frankle2021_methods",
    "Methods",
    "Figure 1 of Frankle et al. 2021: test accuracy at the end of training against the percentage of prunable weights"
    " that are left, of the masks that each method finds.",
    (ACCURACY_END,),
    lines=method_lines,
    legend=prunes,
    apart=1.6,
    height=2.6,
    outliers=("random",),
    caption=lambda results: beyond(results["results"]),
)
ABLATIONS_FIGURE = LineFigure(
    "frankle2021_ablations",
    "Ablations of each method",
    "Figures 3 to 6 of Frankle et al. 2021: test accuracy at the end of training against the percentage of prunable"
    " weights that are left, a panel a method, of its masks as they are and of their ablations.",
    (replace(ACCURACY_END, label="test accuracy (%)"),),
    facets=with_ablations,
    legend=arm_meanings,
    across=4,
    height=1.75,
    apart=1.6,
    shared=True,
    outliers=("random",),
    caption=lambda results: beyond(results["results"]),
)
FIGURES = SEED_FIGURES = (METHODS_FIGURE, ABLATIONS_FIGURE)


def beyond(rows: Sequence[Row]) -> str:
    """What a caption says of random pruning, which the axes do not wait for."""
    return "The line of random pruning may extend below the panel." if "random" in by_method(rows) else ""
