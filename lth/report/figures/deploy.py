"""Figures of `lth deploy`: accuracy against size and time, size by format, bits by density, sensitivity by layer."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from lth.report.figures.axes import ArmStyle, Sketch, density_axis, legend_above, log_axis, new_figure
from lth.report.figures.replicate import Drawn, drawing, write_sketch
from lth.report.statistics import percent
from lth.report.tables import Row

KINDS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of kinds of ticket in order, dense apart (Okabe-Ito)."""
DENSE = "#333333"
MARKERS = {
    "dense": "X",
    "masked": "x",
    "csr": "s",
    "packed": "o",
    "packed_int8": "D",
    "int8_dynamic": "<",
    "int8_static": ">",
    "shrunk": "^",
    "onnx": "P",
}
"""Form -> its marker."""
FALL = 0.15
"""What of accuracy (0..1) below the dense network's the axes show."""
KEPT = ("dense", "csr", "packed", "packed_int8", "int8_static", "shrunk")
RUN = ("dense", "masked", "csr", "int8_dynamic", "int8_static", "shrunk", "onnx")
Place = Callable[[Row], float]


def draw_deploy(folder: Path, seen: Mapping[str, Sequence[Row]]) -> list[Drawn]:
    """Draws what the tables `seen` (cost, grid, sensitivity by name) show into `folder`, the main figure first.

    The same rows give the same bytes.
    """
    with drawing():
        sketches = (
            sketch_worth(seen["cost"]),
            sketch_sizes(seen["cost"]),
            sketch_grid(seen["grid"]),
            sketch_sensitivity(seen["sensitivity"]),
        )
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def colours(rows: Sequence[Row]) -> dict[str, str]:
    """Kind -> its colour, in order of appearance."""
    kinds = [kind for kind in dict.fromkeys(row["kind"] for row in rows) if kind != "dense"]
    return {"dense": DENSE} | {kind: KINDS[number % len(KINDS)] for number, kind in enumerate(kinds)}


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The Pareto front of (gain, accuracy), both better where larger, by falling gain."""
    found: list[tuple[float, float]] = []
    for gain, accuracy in sorted(set(points), reverse=True):
        if not found or accuracy > found[-1][1]:
            found.append((gain, accuracy))
    return found


def baseline(costs: Sequence[Row]) -> Row:
    """The row of the dense network as it is."""
    return next(row for row in costs if row["kind"] == row["form"] == "dense")


def sketch_worth(costs: Sequence[Row]) -> Sketch:
    """Accuracy against how much smaller a file is, and how much faster a batch of 1 and of 64 runs."""
    dense, looks = baseline(costs), colours(costs)
    own = [row for row in costs if row["form"] != "dense" or row["kind"] == "dense"]
    kept = [row for row in own if row["form"] in KEPT and row["bytes"]]
    run = [row for row in own if row["form"] in RUN and row["runs_as"] == row["form"]]
    panels: list[tuple[str, list[Row], Place]] = [
        ("times smaller as a file", kept, lambda row: dense["bytes"] / row["bytes"]),
        ("times faster, batch 1", run, lambda row: float(row["batch_1_speedup"])),
        ("times faster, batch 64", run, lambda row: float(row["batch_64_speedup"])),
    ]
    figure, [across] = new_figure(1, 3, 3.1, sharey=True)
    lowest = dense["test_accuracy"] - FALL
    for axes, (label, rows, place) in zip(across, panels, strict=True):
        for row in rows:
            axes.plot(
                place(row), 100 * row["test_accuracy"], MARKERS[row["form"]], color=looks[row["kind"]], alpha=0.75
            )
        edge = front([(place(row), 100 * row["test_accuracy"]) for row in rows])
        axes.step(*zip(*edge, strict=True), where="post", color="#000000", linewidth=0.8, zorder=1)
        _times_axis(axes, [place(row) for row in rows])
        axes.axvline(1, color=DENSE, linewidth=0.6, linestyle=":")
        axes.set_xlabel(label)
    shown = [row["test_accuracy"] for row in [*kept, *run] if row["test_accuracy"] >= lowest]
    margin = max(0.004, 0.05 * (max(shown) - min(shown)))
    across[0].set_ylim(100 * (min(shown) - margin), 100 * (max(shown) + margin))
    across[0].set_ylabel("test accuracy (%)")
    legend_above(figure, _legend(looks, [row["form"] for row in [*kept, *run]]))
    return Sketch("worth", "Accuracy against size and time", *_about_worth(costs, [*kept, *run], lowest), figure)


def _legend(looks: Mapping[str, str], forms: Sequence[str]) -> list[Line2D]:
    """Kinds by colour, forms by marker, the Pareto front."""
    kinds = [Line2D([], [], color=colour, linewidth=4, label=kind) for kind, colour in looks.items()]
    marks = [
        Line2D([], [], color="#555555", marker=marker, linestyle="", label=form)
        for form, marker in MARKERS.items()
        if form in forms and form != "dense"
    ]
    return [*kinds, *marks, Line2D([], [], color="#000000", linewidth=0.8, label="Pareto front")]


def _about_worth(costs: Sequence[Row], shown: Sequence[Row], lowest: float) -> tuple[str, str]:
    below = len({(row["kind"], row["level"], row["form"]) for row in shown if row["test_accuracy"] < lowest})
    dense = baseline(costs)
    caption = (
        "Every trained ticket (colour: its kind) in every form (marker): test accuracy against how many times smaller"
        f" its file is than the dense network's {dense['bytes'] / 1e3:,.1f} kB, and how many times faster it runs, the"
        " median over rounds in which both had their turn. Line: the Pareto front of a panel, on this test set."
        " The large cross is the dense network. Masked zeros do not speed up dense kernels: what parts masked from 1 is"
        " other work on the machine."
    )
    if below:
        caption += f" {below} forms whose accuracy is more than {100 * FALL:g} points below dense are left out."
    best = min((row for row in costs if row["bytes"]), key=lambda row: row["bytes"])
    alt = (
        f"The dense network: {100 * dense['test_accuracy']:.2f}%. The smallest file: {best['form']} of {best['kind']}"
        f" at {percent(best['density'])}% of the weights, {dense['bytes'] / best['bytes']:.1f} times smaller, at"
        f" {100 * best['test_accuracy']:.2f}%."
    )
    return caption, alt


def _times_axis(axes: Axes, values: Sequence[float]) -> None:
    """Makes x logarithmic with plain numbers: how many times more."""
    low, high = min([1.0, *values]), max([1.0, *values])
    margin = max((high / low) ** 0.06, 1.03)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    wide = high / low > 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if wide else (1.0, 2.0, 5.0), numticks=12))
    if high / low < 4:
        ticks = [tick for tick in (0.25, 0.5, 0.7, 1, 1.4, 2, 2.8, 4) if low / margin <= tick <= high * margin]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def sketch_sizes(costs: Sequence[Row]) -> Sketch | None:
    """Bytes of a file by format against density, for the kind of ticket with the most levels; None without two."""
    kinds: dict[str, set[int]] = {}
    for row in costs:
        kinds.setdefault(row["kind"], set()).add(row["level"])
    kind = max(kinds, key=lambda name: len(kinds[name]))
    rows = [row for row in costs if row["kind"] == kind and row["bytes"] and row["form"] != "dense"]
    densities = sorted({row["density"] for row in rows}, reverse=True)
    if len(densities) < 2:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.9)
    ends = {form: [row["bytes"] for row in rows if row["form"] == form] for form in MARKERS if form != "onnx"}
    if ends["int8_dynamic"] == ends["int8_static"]:  # of Linear layers alone they are one file
        ends["int8_dynamic"] = []
    forms = [form for form, sizes in ends.items() if sizes]
    handles = []
    for form, colour in zip(forms, (DENSE, *KINDS, "#882255"), strict=False):
        mine = [row for row in rows if row["form"] == form]
        for column, style in (("bytes", "-"), ("gzip_bytes", ":")):
            places = [100 * row["density"] for row in mine], [row[column] / 1e3 for row in mine]
            axes.plot(*places, style, color=colour, marker=MARKERS[form] if style == "-" else "", markersize=3.8)
        handles.append(Line2D([], [], color=colour, marker=MARKERS[form], label=form))
    handles.append(Line2D([], [], color="#555555", linestyle=":", label="after gzip"))
    density_axis(axes, densities)
    log_axis(axes, [row[key] / 1e3 for row in rows for key in ("bytes", "gzip_bytes")])
    axes.set_ylabel("kB (1000 bytes)")
    legend_above(figure, handles)
    alt = "; ".join(f"{form}: {ends[form][0] / 1e3:,.1f} to {ends[form][-1] / 1e3:,.1f} kB" for form in forms)
    caption = f"Size of the file of tickets of {kind} by form, against the weights left; dotted: after gzip."
    return Sketch("sizes", "Size by format", caption, alt, figure)


def sketch_grid(grid: Sequence[Row]) -> Sketch | None:
    """Accuracy by density and bits, a panel for each of the two kinds with the most densities; None without bits."""
    kinds: dict[str, list[Row]] = {}
    whole = [row for row in grid if row["kind"] == "dense"]
    for row in grid:
        if row["kind"] != "dense":
            kinds.setdefault(row["kind"], [*whole]).append(row)
    widths = sorted({row["bits"] for row in grid}, reverse=True)
    chosen = sorted(kinds, key=lambda kind: -len(kinds[kind]))[:2]
    if len(widths) < 2 or not chosen:
        return None
    tall = max(len(kinds[kind]) for kind in chosen) // len(widths)
    figure, [across] = new_figure(1, len(chosen), 1.0 + 0.28 * tall)
    best = max(row["test_accuracy"] for row in grid)
    for axes, kind in zip(across, chosen, strict=True):
        _heat(axes, kinds[kind], widths, best)
        axes.set_title(kind)
    across[0].set_ylabel("weights left (%)")
    caption = (
        "Test accuracy (%) of trained tickets with their weights rounded to so many bits, a scale for each output"
        " channel, without training again; 32: not rounded. Zeros stay zeros. Rounded weights are kept as floats here:"
        " exact anywhere, faster nowhere. Darker is closer to the best."
    )
    ends = [kinds[chosen[0]][-1], kinds[chosen[0]][-len(widths)]]
    alt = "; ".join(
        f"{chosen[0]} at {percent(row['density'])}%, {row['bits']} bits: {100 * row['test_accuracy']:.2f}%"
        for row in ends
    )
    return Sketch("bits", "Bits by density", caption, alt, figure)


def _heat(axes: Axes, rows: Sequence[Row], widths: Sequence[int], best: float) -> None:
    """A cell for each density and width, with its accuracy in percent; white where a quarter of `best` is lost."""
    densities = sorted({row["density"] for row in rows}, reverse=True)
    values = {(row["density"], row["bits"]): row["test_accuracy"] for row in rows}
    cells = [[values[density, width] for width in widths] for density in densities]
    axes.imshow(cells, cmap="Blues", vmin=0.75 * best, vmax=1.1 * best, aspect="auto")
    axes.grid(False)
    for y, across in enumerate(cells):
        for x, value in enumerate(across):
            axes.text(x, y, f"{100 * value:.1f}", ha="center", va="center", fontsize=6.5)
    axes.set_xticks(range(len(widths)), [str(width) for width in widths])
    axes.set_yticks(range(len(densities)), [percent(density) for density in densities])
    axes.set_xlabel("bits a weight")


def sketch_sensitivity(rows: Sequence[Row]) -> Sketch | None:
    """Accuracy with one layer pruned, against that layer's density; None without rows."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    if not layers:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.9)
    handles: list[Line2D] = []
    dashes: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
    for number, layer in enumerate(layers):
        mine = sorted((row for row in rows if row["layer"] == layer), key=lambda row: -row["density"])
        look = ArmStyle(KINDS[number % len(KINDS)], "osD^v<>P"[number % 8], dashes[number // len(KINDS) % 4])
        style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": look.dashes}
        axes.plot([100 * row["density"] for row in mine], [100 * row["accuracy"] for row in mine], **style)
        handles.append(Line2D([], [], label=layer.removesuffix(".weight"), **style))
    density_axis(axes, {row["density"] for row in rows})
    axes.set_xlabel("weights left in the layer (%)")
    axes.set_ylabel("accuracy (%)")
    legend_above(figure, handles[:24])
    low = {layer: min(row["accuracy"] for row in rows if row["layer"] == layer) for layer in layers}
    alt = "; ".join(f"{layer.removesuffix('.weight')}: down to {100 * value:.2f}%" for layer, value in low.items())
    caption = (
        "Accuracy of the trained dense network with one layer alone pruned by magnitude, the others whole, without"
        " training again; on the validation split, else on train: densities may be chosen by it."
    )
    return Sketch("sensitivity", "Sensitivity by layer", caption, alt, figure)
