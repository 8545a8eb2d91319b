"""The figure of `lth speed`: the time of an iteration against density, beside the line of proportional cost."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.figures.axes import ArmStyle, Summary, density_axis, legend_above, log_axis, new_figure, plot_points
from lth.report.figures.drawing import Drawing, Sketch
from lth.report.results import Results
from lth.report.statistics import percent

from .ways import DENSE, FLOOR, OURS, PEER, SPARSE, USUAL, WAYS

STYLES = {
    OURS: ArmStyle("#0072B2", "o", "-", 1.8),
    SPARSE: ArmStyle("#56B4E9", "v", (0, (4, 1.5))),
    DENSE: ArmStyle("#D55E00", "s", (0, (5, 1.5, 1, 1.5))),
    USUAL: ArmStyle("#CC79A7", "D", (0, (1, 1.2))),
    PEER: ArmStyle("#009E73", "^", (0, (2, 1))),
    FLOOR: ArmStyle("#8C8C8C", "x", (0, (6, 1, 1, 1))),
}
"""Way -> how it looks."""
LABELS = {OURS: "ours", SPARSE: "ours, sparse", DENSE: "ours, dense", USUAL: "usual", PEER: "SparseLab", FLOOR: "floor"}
PROPORTIONAL = ArmStyle("#333333", "", (0, (1, 2)), 0.9)
ACROSS = 3
Lines = Mapping[str, Sequence[Row]]


def sketch_speed(results: Results) -> Sketch | None:
    """A panel for each network that was timed at two densities; None without one."""
    networks: dict[str, dict[str, list[Row]]] = {}
    for row in results["speed"]:
        if row["way"] not in WAYS:
            continue
        networks.setdefault(row["network"], {}).setdefault(row["way"], []).append(row)
    panels = {name: ways for name, ways in networks.items() if len({row["density"] for row in _rows(ways)}) > 1}
    if not panels:
        return None
    rows = -(-len(panels) // ACROSS)
    figure, places = new_figure(rows, min(ACROSS, len(panels)), 2.3 * rows + 0.4)
    across = [axes for line in places for axes in line]
    for axes, (name, ways) in zip(across, panels.items(), strict=False):
        _panel(axes, name, ways)
    for axes in across[len(panels) :]:
        axes.remove()
    for axes in across[::ACROSS][:rows]:
        axes.set_ylabel("time of an iteration (ms)")
    shown = [way for way in WAYS if any(way in ways for ways in panels.values())]
    legend_above(figure, [*(_handle(STYLES[way], LABELS[way]) for way in shown), _handle(PROPORTIONAL, "proportional")])
    return Sketch("speed", "Time of an iteration", _caption(results, shown), _alt(panels), figure)


def _panel(axes: Axes, name: str, ways: Lines) -> None:
    """Draws the lines of one network."""
    for way in reversed([way for way in WAYS if way in ways]):
        rows = sorted(ways[way], key=lambda row: -row["density"])
        points = [Summary(row["density"], row["median"], *_ends(row)) for row in rows]
        plot_points(axes, STYLES[way], points, 0)
    densities = sorted({row["density"] for row in _rows(ways)}, reverse=True)
    dense = max(ways.get(DENSE, []), key=lambda row: row["density"], default=None)
    if dense:
        line = [dense["median"] * density / dense["density"] for density in densities]
        look = {"color": PROPORTIONAL.colour, "linestyle": PROPORTIONAL.dashes, "linewidth": PROPORTIONAL.width}
        axes.plot([100 * density for density in densities], line, **look)
    density_axis(axes, densities, labels=5)
    times = [row["median"] for row in _rows(ways)]
    log_axis(axes, times)
    axes.set_ylim(min(times) / 1.6, max(times) * 1.5)
    axes.set_title(name, loc="left")


def _ends(row: Row) -> tuple[float, float]:
    """The quartiles of a row; the median twice without them."""
    low, high = (row["median"] if row[key] is None else row[key] for key in ("quartile_1", "quartile_3"))
    return low, high


def _rows(ways: Lines) -> list[Row]:
    return [row for rows in ways.values() for row in rows]


def _handle(style: ArmStyle, label: str) -> Line2D:
    line = Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=style.width, label=label)
    line.set_marker(style.marker)
    return line


def _caption(results: Results, shown: Sequence[str]) -> str:
    blocks = max(row["blocks"] for row in results["speed"])
    parts = "; ".join(f"{LABELS[way]}, {WAYS[way].meaning}" for way in shown)
    return (
        "Milliseconds of an iteration of training, on logarithmic axes, against the percentage of weights that are"
        f" left in each layer. Medians of {blocks} blocks that take turns; bars from the first to the third quartile."
        f" {parts[0].upper()}{parts[1:]}. The dotted line is a cost in proportion to the weights: the time of our dense"
        " kernels at the highest density, times the density; it may leave the panel."
    )


def _alt(panels: Mapping[str, Lines]) -> str:
    """In words, the first and the last point of our training, and of that with dense kernels."""
    words = []
    for name, ways in panels.items():
        for way in filter(ways.__contains__, (OURS, DENSE)):
            rows = sorted(ways[way], key=lambda row: -row["density"])
            first, last = rows[0], rows[-1]
            words.append(
                f"{name}, {LABELS[way]}: {first['median']:.3g} ms at {percent(first['density'])}%,"
                f" {last['median']:.3g} ms at {percent(last['density'])}%"
            )
    return "; ".join(words) + " of the weights."


FIGURES = (Drawing("speed", sketch_speed),)
