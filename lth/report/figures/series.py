"""What figures against density are made of: measures, which become panels, and lines of points at each density."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.compared import EARLY, FINAL, TRAINED, WHERE, bracket, metric_in
from lth.report.early_stop import means
from lth.report.figures.axes import STYLES, ArmStyle, Summary, arm_style, summarize
from lth.report.figures.captions import ONE_SHOT
from lth.report.intervals import Summarize
from lth.report.statistics import STOP, arms_of
from lth.tasks.metrics import ACCURACY


@dataclass(frozen=True)
class Measure:
    """A panel: a column, the label of its axis, the factor that it is shown with, and how the axis goes.

    log: logarithmic; zero: from 0 on; only: arms that it is shown for (empty: all). title: above the panel.
    """

    column: str
    label: str
    factor: float = 1.0
    log: bool = False
    zero: bool = False
    title: str = ""


ACCURACY_EARLY = Measure("early_stop_test_accuracy", "test accuracy at early stop (%)", 100)
ACCURACY_END = Measure("final_test_accuracy", "test accuracy at the end (%)", 100)
TRAIN_ACCURACY_END = Measure("final_train_accuracy", "train accuracy at the end (%)", 100)
EARLY_STOP = Measure(STOP, "early-stop iteration", zero=True)
OF_METRIC = {ACCURACY_EARLY.column: EARLY, ACCURACY_END.column: FINAL, TRAIN_ACCURACY_END.column: TRAINED}
"""Column of an accuracy -> what the columns of all metrics at that place begin with."""


def of_task(measure: Measure, rows: Sequence[Row]) -> Measure:
    """`measure` with the task's own metric in place of accuracy, where the networks in `rows` are compared by another.

    The label names the better direction.
    """
    metric, place = metric_in(rows), OF_METRIC.get(measure.column)
    if place is None or metric == ACCURACY:
        return measure
    split, where = ("train" if place == TRAINED else "test"), WHERE.get(place, "at the end")
    label = f"{split} {metric.words} {where}{bracket(metric)}"
    return replace(measure, column=f"{place}_{metric.name}", label=label, factor=metric.factor)


@dataclass(frozen=True)
class Line:
    """One curve against density: its label, the arm in its rows, its style.

    group: what a dense network is drawn for: lines of several networks have one each.
    """

    label: str
    arm: str
    style: ArmStyle
    rows: list[Row]
    group: str = ""

    def points(self, measure: Measure, bars: Summarize | None) -> list[Summary]:
        """`measure` at each density: the mean over draws with their range, or over seeds with `bars`."""
        if bars is None:
            return summarize(self.rows, self.arm, measure.column, measure.factor)
        points = []
        for _, (density, interval) in sorted(means(self.rows, self.arm, measure.column, bars).items()):
            ends = (interval.mean if end is None else end for end in (interval.low, interval.high))
            low, high = (measure.factor * end for end in ends)
            points.append(Summary(density, measure.factor * interval.mean, low, high, interval.censored > 0))
        return points


LIGHT = {"ticket": ("#56B4E9", "<", (0, (2, 1)), 1.3), "reinit": ("#E69F00", ">", (0, (2, 2)), 1.0)}
"""The colours, markers, dashes and widths of one-shot arms beside iterative ones."""


def arm_lines(rows: Sequence[Row]) -> list[Line]:
    """A line for each arm, in order of appearance; one-shot arms have lines of their own beside iterative ones."""
    once = [row.get("schedule") == "one_shot" for row in rows]
    mixed = any(once) and not all(once)
    lines = []
    for one_shot in (False, True) if mixed else (None,):
        here = [row for row, shot in zip(rows, once, strict=True) if one_shot is None or shot == one_shot]
        for arm in arms_of(here):
            style = ArmStyle(*LIGHT[arm]) if one_shot and arm in LIGHT else arm_style(arm)
            label = f"{arm}, one-shot" if one_shot else arm
            lines.append(Line(label, arm, style, [row for row in here if row["arm"] == arm]))
    return lines


def line_handle(label: str, style: ArmStyle) -> Line2D:
    """The legend's entry for a line."""
    line = Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=style.width, label=label)
    line.set_marker(style.marker)
    return line


def dense_handle() -> Line2D:
    """The legend's entry for the thin line at the dense network's value."""
    return line_handle("dense", ArmStyle(STYLES["dense"].colour, "", "-", STYLES["dense"].width))


def arm_meanings(lines: Sequence[Line]) -> str:
    """What the arms of `lines` are, and what one-shot pruning is where a line is of that schedule, for a caption."""
    texts = {line.arm: meaning(line.arm) for line in lines}
    if any(row["schedule"] == "one_shot" for line in lines for row in line.rows):
        texts["one-shot"] = ONE_SHOT
    return "; ".join(f"{name}: {text}" for name, text in texts.items())
