"""The figures of `lth grokking`, of one seed or several: accuracies in training, and the delay of each network."""

import statistics
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes

from lth.core.tables import Row
from lth.report.figures.axes import ArmStyle, arm_style, legend_above, log_axis, new_figure
from lth.report.figures.curves import Curve, curve, log_iterations
from lth.report.figures.drawing import Drawing, Sketch
from lth.report.figures.series import line_handle
from lth.report.results import Results
from lth.report.statistics import measured

from .answer import DENSE, delays_by_network, meanings, name_of
from .tables import TEST, TRAIN

STYLES = {
    DENSE: arm_style("dense"),
    "memorized": ArmStyle("#882255", "d", (0, (2, 1))),
    "snip": ArmStyle("#D55E00", "D", (0, (2, 1))),
    "grasp": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "synflow": ArmStyle("#E69F00", "s", (0, (4, 1.5))),
    "random": ArmStyle("#8C8C8C", "X", (0, (1, 1))),
}
"""Network -> how it looks; others look as arms do."""


HEIGHT = 0.6
"""Of the height of a row of the figure of delays, so much is taken by the markers of its seeds."""


def style_of(network: str) -> ArmStyle:
    """How a network looks."""
    return STYLES.get(network) or arm_style(network)


def accuracies(results: Results, column: str) -> dict[str, Curve]:
    """Network -> its accuracy in percent in the course of training: mean, lowest and highest over seeds and draws."""
    by_run: dict[str, list[Row]] = {}
    for row in results["curves"]:
        if measured(row.get(column)):
            by_run.setdefault(row["run"], []).append(row)
    runs: dict[str, dict[str, None]] = {}
    for row in results["delays"]:
        runs.setdefault(name_of(row), {})[row["run"]] = None
    lines = {network: curve([by_run.get(run, []) for run in names], column, 100) for network, names in runs.items()}
    return {network: line for network, line in lines.items() if line}


def sketch_accuracies(results: Results) -> Sketch | None:
    """Test and training accuracy in training: the ticket beside the networks of its norm, and beside other masks."""
    test, train = accuracies(results, TEST), accuracies(results, TRAIN)
    if "ticket" not in test:
        return None
    others = [network for network in test if network not in (DENSE, "ticket")]
    dense = [network for network in others if network.startswith("dense")]
    panels = {"dense networks": dense, "other masks": [network for network in others if network not in dense]}
    panels = {title: networks for title, networks in panels.items() if networks} or {"": []}
    figure, [across] = new_figure(1, len(panels), 3.0, sharey=True)
    first = min(iteration for iteration in test["ticket"] if iteration > 0)
    for axes, (title, networks) in zip(across, panels.items(), strict=True):
        shown = [DENSE, *networks, "ticket"]
        for network in shown:
            _plot(axes, style_of(network), test.get(network, {}), train.get(network, {}))
        log_iterations(axes, first, max(max(test[network]) for network in shown if network in test))
        axes.set_title(title, loc="left")
    across[0].set_ylabel("accuracy (%)")
    legend_above(figure, [line_handle(network, replace(style_of(network), marker="")) for network in test])
    caption = (
        "Accuracy on the test split (thick) and on the training split (thin, dotted) in the course of training."
        " Iterations are logarithmic, with 0 at the left; lines are means, bands reach from the lowest to the highest"
        f" seed or draw. {_named(test)}."
    )
    words = "; ".join(f"{network}: {list(line.values())[-1][0]:.1f}%" for network, line in test.items())
    return Sketch("grokking_accuracy", "Accuracy in training", caption, f"Test accuracy at the end: {words}.", figure)


def _plot(axes: Axes, style: ArmStyle, test: Curve, train: Curve) -> None:
    if train:
        axes.plot(list(train), [mean for mean, _, _ in train.values()], ":", color=style.colour, linewidth=0.8)
    if test:
        mean, low, high = zip(*test.values(), strict=True)
        axes.plot(list(test), mean, color=style.colour, linewidth=1.5, linestyle=style.dashes)
        axes.fill_between(list(test), low, high, color=style.colour, alpha=0.12, linewidth=0)


def sketch_delays(results: Results) -> Sketch | None:
    """The delay of each network on a logarithmic axis, a marker a seed or draw, below each other; None without any."""
    delays = delays_by_network(results["delays"])
    if not delays:
        return None
    figure, [[axes]] = new_figure(1, 1, 0.7 + 0.3 * len(delays))
    for place, (network, rows) in enumerate(delays.items()):
        style = style_of(network)
        for number, row in enumerate(rows):
            face = "white" if row["censored"] else style.colour
            look: dict[str, Any] = {"marker": style.marker, "markersize": 5, "markerfacecolor": face}
            height = place + HEIGHT * ((number + 0.5) / len(rows) - 0.5)
            axes.plot(row["delay"], height, linestyle="", color=style.colour, **look)
    axes.set_yticks(range(len(delays)), list(delays))
    axes.invert_yaxis()
    log_axis(axes, [row["delay"] for rows in delays.values() for row in rows], "x")
    axes.set_xlabel("iterations from memorising to generalising")
    caption = (
        "How many iterations after the training split each network learns the test split, a marker a seed or draw."
        f" Hollow markers: not by the end of the training, so the delay is longer. {_named(delays)}."
    )
    words = "; ".join(
        f"{network}: {statistics.median(row['delay'] for row in rows):,.0f}" for network, rows in delays.items()
    )
    return Sketch("grokking_delay", "Delay of generalisation", caption, f"Median iterations: {words}.", figure)


def _named(networks: Iterable[str]) -> str:
    return "; ".join(f"{network}: {text}" for network, text in meanings(networks).items())


FIGURES = (Drawing("grokking_delay", sketch_delays), Drawing("grokking_accuracy", sketch_accuracies))
