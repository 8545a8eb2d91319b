"""The figures of `lth stability`, of one seed or several: instability and accuracy against k, error along the line."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lth.analysis.line import STABLE
from lth.core.tables import Row
from lth.report.figures.axes import APART, ArmStyle, arm_style, legend_above, moved, new_figure
from lth.report.figures.captions import DRAWN_APART, about_bars
from lth.report.figures.drawing import Drawing, Sketch
from lth.report.figures.series import line_handle
from lth.report.intervals import Interval
from lth.report.results import Results
from lth.report.statistics import measured

from .networks import INSTABILITY, ByRewind, Network, networks_of
from .tables import RECALCULATED

MOST_LABELS = 7
"""The rewind points above 0 that have a label."""
LIGHTER = ("", "99", "66")
"""How opaque the colours of an arm are at its first, second and further densities."""


def networks(results: Results) -> list[Network]:
    """The networks of the settings that `results` have rows of: a table may hold those of other rewind points, too."""
    settings = {row["setting"] for row in results["results"]}
    return networks_of([row for row in results["stability"] if row["setting"] in settings], results["results"])


def styles(shown: Sequence[Network]) -> dict[str, ArmStyle]:
    """Network -> how it looks: as its arm, paler at each further density."""
    looks = {}
    for network in shown:
        if not network.level:
            looks[network.name] = arm_style("dense")
            continue
        number = [other.name for other in shown if other.level and other.arm == network.arm].index(network.name)
        style = arm_style(network.arm)
        colour = style.colour + LIGHTER[min(number, len(LIGHTER) - 1)]
        looks[network.name] = ArmStyle(colour, style.marker, style.dashes, style.width)
    return looks


def rewind_axis(axes: Axes, rewinds: Iterable[int]) -> None:
    """Makes x an axis of rewind points: logarithmic, with 0 at the left."""
    points = sorted(set(rewinds))
    positive = [k for k in points if k] or [1]
    axes.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
    every = math.ceil(len(positive) / MOST_LABELS)
    axes.xaxis.set_major_locator(FixedLocator([*(k for k in points if not k), *positive[::every]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("rewind point k (iterations)")


def plot(axes: Axes, style: ArmStyle, by_rewind: ByRewind, shift: float, factor: float = 1.0) -> None:
    """Draws a line of means against k with the bars of their intervals, `shift` points to the right."""
    beside = moved(axes, shift)
    x, means = list(by_rewind), [factor * interval.mean for interval in by_rewind.values()]
    look: dict[str, Any] = {"color": style.colour, "marker": style.marker, "linestyle": style.dashes}
    axes.plot(x, means, linewidth=style.width, transform=beside, **look)
    ends = [(k, ends_of(interval)) for k, interval in by_rewind.items()]
    low, high = ([factor * pair[side] for _, pair in ends] for side in (0, 1))
    axes.vlines(x, low, high, color=style.colour, linewidth=0.8, transform=beside)
    axes.update_datalim([*zip(x, low, strict=True), *zip(x, high, strict=True)])
    axes.autoscale_view()


def ends_of(interval: Interval) -> tuple[float, float]:
    """The bounds of an interval, the mean where it has none."""
    low, high = (interval.mean if end is None else end for end in (interval.low, interval.high))
    return low, high


def sketch_instability(results: Results) -> Sketch | None:
    """Instability against k, and the accuracy of the children beside it; None with fewer than two rewind points."""
    shown = networks(results)
    rewinds = sorted({k for network in shown for k in network.drawn(INSTABILITY, results.bars)})
    if len(rewinds) < 2:
        return None
    looks = styles(shown)
    figure, [[left, right]] = new_figure(1, 2, 2.9)
    for place, network in reversed(list(enumerate(shown))):  # the dense network lies on top
        shift = APART * (place - (len(shown) - 1) / 2)
        plot(left, looks[network.name], network.drawn(INSTABILITY, results.bars), shift)
        plot(right, looks[network.name], network.accuracies(results.bars), shift, 100)
    below = results.settings.stable_below if results.settings else STABLE
    left.axhline(below, color="#999999", linewidth=0.7, linestyle=(0, (2, 2)))
    left.set_ylim(bottom=0)
    left.set_ylabel("instability of test error (points)")
    right.set_ylabel("test accuracy at the end (%)")
    for axes in (left, right):
        rewind_axis(axes, rewinds)
    legend_above(figure, [line_handle(network.name, looks[network.name]) for network in shown])
    caption = (
        "Against the rewind point k that children start from (logarithmic, with 0 at the left): how far the test error"
        " on the line between two children rises above the mean of its ends, and the accuracy of the children. Below"
        f" the dashed line, at {below:g} points, a network is stable. {DRAWN_APART} {about(results, shown)}"
    )
    words = "; ".join(f"{network.name}: {said(network.drawn(INSTABILITY, results.bars))}" for network in shown)
    alt = f"Instability in points, by k. {words}."
    return Sketch("stability", "Instability against the rewind point", caption, alt, figure)


def said(by_rewind: ByRewind) -> str:
    """The means at every rewind point."""
    return ", ".join(f"{interval.mean:.1f} at {k:,}" for k, interval in by_rewind.items())


def about(results: Results, shown: Sequence[Network]) -> str:
    """What lines and bars are."""
    if results.bars is None:
        return "Means over the pairs of one seed; bars from the lowest to the highest."
    seeds = {row.get("seed") for network in shown for row in network.pairs}
    bars = about_bars(results.bars)
    return f"Means over {len(seeds)} seeds, each the mean over its pairs; error bars: {bars}."


def sketch_lines(results: Results) -> Sketch | None:
    """The error along the line between children, on both splits; None for none.

    Of the smallest rewind point at which most of the networks were tried.
    """
    shown = networks(results)
    rows = [row for row in results["lines"] if row["batch_norm"] == RECALCULATED and measured(row["accuracy"])]
    settings = {row["setting"] for row in results["results"]}
    rows = [row for row in rows if row["setting"] in settings]
    if not rows:
        return None
    tried = {k: {(row["level"], row["arm"]) for row in rows if row["rewind"] == k} for k in {x["rewind"] for x in rows}}
    first, looks = min(tried, key=lambda k: (-len(tried[k]), k)), styles(shown)
    shown = [network for network in shown if (network.level, network.arm) in tried[first]]
    figure, [across] = new_figure(1, 2, 2.9, sharey=True)
    ends = []
    for axes, split in zip(across, ("test", "train"), strict=True):
        for network in reversed(shown):
            here = [
                row
                for row in rows
                if (row["rewind"], row["level"], row["arm"]) == (first, network.level, network.arm)
                if row["split"] == split
            ]
            along = errors_along(here)
            if along:
                draw_line(axes, looks[network.name], along)
                if split == "test":
                    ends.append(f"{network.name}: at most {max(x[0] for x in along.values()):.1f}%")
        axes.set_title(f"{split} split", loc="left")
        axes.set_xlabel("place on the line between two children")
    across[0].set_ylabel("error (%)")
    handles = [line_handle(x.name, ArmStyle(looks[x.name].colour, "", looks[x.name].dashes)) for x in shown]
    legend_above(figure, handles)
    caption = (
        f"The error on the straight line from one child to another, of the rewind point k={first:,}: means over pairs"
        " and seeds, bands from the lowest to the highest. BatchNorm's statistics are recalculated at each place."
    )
    alt = f"Test error on the line. {'; '.join(reversed(ends))}."
    return Sketch("stability_line", "Error between children", caption, alt, figure)


def errors_along(rows: Sequence[Row]) -> dict[float, tuple[float, float, float]]:
    """Place on the line -> mean, lowest and highest error in percent."""
    errors: dict[float, list[float]] = {}
    for row in rows:
        errors.setdefault(row["alpha"], []).append(100 * (1 - row["accuracy"]))
    return {alpha: (statistics.fmean(values), min(values), max(values)) for alpha, values in sorted(errors.items())}


def draw_line(axes: Axes, style: ArmStyle, along: dict[float, tuple[float, float, float]]) -> None:
    """Draws the mean along a line, and a band."""
    mean, low, high = zip(*along.values(), strict=True)
    axes.plot(list(along), mean, color=style.colour, linestyle=style.dashes, linewidth=style.width)
    axes.fill_between(list(along), low, high, color=style.colour[:7], alpha=0.15, linewidth=0)


FIGURES = (Drawing("stability", sketch_instability), Drawing("stability_line", sketch_lines))
