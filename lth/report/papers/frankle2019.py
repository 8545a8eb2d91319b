"""The figures of Frankle and Carbin 2019 over several seeds of one network, named as in the paper."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth.core.tables import Row
from lth.report.figures.axes import arm_handle, legend_above
from lth.report.figures.captions import about_panels, meanings, values
from lth.report.figures.drawing import Drawn, Sketch, drawing, write_sketch
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, t_interval
from lth.report.papers.lines import EARLY, END, Columns, Line, draw_panels, handles, line_handle, lines_of
from lth.report.papers.training import sketch_training

APART = 2.2  # points between the error bars of two lines at one density


def draw_sweep(folder: Path, gathered: Gathered, bars: Summarize = t_interval) -> list[Drawn]:
    """Draws the paper's figures of one experiment's seeds into `folder`, each as PNG and PDF.

    Gives what a page shows, the main one first. The first two panels of Figure 4 are also written alone, for where
    there is no room for four: `frankle2019_fig4_early`.
    bars: what the error bars show. A figure or panel that nothing was measured for is left out.
    """
    rows = gathered.rows
    with drawing():
        sketches = (
            sketch_pruning(rows, bars),
            sketch_sparse(rows, bars),
            sketch_training(rows, gathered.curves, bars),
        )
        if early := sketch_early(rows, bars):
            write_sketch(folder, early)
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def sketch_pruning(rows: Sequence[Row], bars: Summarize) -> Sketch | None:
    """The paper's Figure 4: early stop and accuracy there and at the end, of tickets and reinit, each also one-shot."""
    what = "The paper's Figure 4: early-stop iteration, test accuracy there, and accuracy at the end of training,"
    return _sketch("frankle2019_fig4", "Early stop and accuracy", what, _pruned(rows), [*EARLY, *END], bars)


def sketch_early(rows: Sequence[Row], bars: Summarize) -> Sketch | None:
    """The early stop and the accuracy there of Figure 4, side by side; None without early stops."""
    what = "Of the paper's Figure 4, early-stop iteration and test accuracy there,"
    return _sketch("frankle2019_fig4_early", "Early stop", what, _pruned(rows), EARLY, bars)


def sketch_sparse(rows: Sequence[Row], bars: Summarize) -> Sketch | None:
    """The paper's Figure 1: early stop and accuracy there, of tickets (solid) and random sparse networks (dashed)."""
    what = "The paper's Figure 1: early-stop iteration and test accuracy there, of tickets and of the same layers'"
    what += " densities placed at random (dashed),"
    lines = [
        replace(line, look=replace(line.look, dashes=(0, (4, 1.5)))) if line.arm == "shuffle" else line
        for line in lines_of(rows, ["ticket", "shuffle"])
    ]
    if len(lines) < 2:  # the ticket alone is in the other figure already
        return None
    return _sketch("frankle2019_fig1", "Tickets and random sparse networks", what, lines, EARLY, bars)


def _pruned(rows: Sequence[Row]) -> list[Line]:
    return lines_of(rows, ["ticket", "reinit"], once=["ticket", "reinit"])


def _sketch(
    name: str, title: str, what: str, lines: Sequence[Line], columns: Columns, bars: Summarize
) -> Sketch | None:
    panels = draw_panels(lines, columns, bars, APART)
    if not panels:
        return None
    named = [line_handle(line.label, line.look) for line in panels.lines]
    legend_above(panels.figure, handles(panels, [*named, arm_handle("dense", marker=False)]))
    arms = "; ".join(f"{arm}: {text}" for arm, text in meanings(panels.lines).items())
    caption = f"{what} against the share of prunable weights that are left. {arms[0].upper()}{arms[1:]}; thin line:"
    caption += f" the dense network. {about_panels(panels, bars)}"
    return Sketch(name, title, caption, values(panels.lines, columns, bars), panels.figure)
