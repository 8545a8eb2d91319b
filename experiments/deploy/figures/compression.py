"""Three figures of `lth deploy`: file size by form, accuracy by bits and density, sensitivity by layer."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.figures.axes import density_axis, legend_above, log_axis, new_figure
from lth.report.figures.drawing import Sketch
from lth.report.results import Results
from lth.report.statistics import binomial_error, percent

from .front import DENSE, KINDS, MARKERS


def sketch_sizes(results: Results) -> Sketch | None:
    """File size by form against density, for the kind of ticket with the most levels; None without two densities."""
    costs = results["cost"]
    if not costs:
        return None
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
    if ends["int8_dynamic"] == ends["int8_static"]:  # without convolutions the two files are equal
        ends["int8_dynamic"] = []
    forms = [form for form, sizes in ends.items() if sizes]
    handles = []
    for form, colour in zip(forms, (DENSE, *KINDS, "#882255"), strict=False):
        form_rows = [row for row in rows if row["form"] == form]
        for column, style in (("bytes", "-"), ("gzip_bytes", ":")):
            points = [100 * row["density"] for row in form_rows], [row[column] / 1e3 for row in form_rows]
            axes.plot(*points, style, color=colour, marker=MARKERS[form] if style == "-" else "", markersize=3.8)
        handles.append(Line2D([], [], color=colour, marker=MARKERS[form], label=form))
    handles.append(Line2D([], [], color="#555555", linestyle=":", label="after gzip"))
    density_axis(axes, densities)
    log_axis(axes, [row[key] / 1e3 for row in rows for key in ("bytes", "gzip_bytes")])
    axes.set_ylabel("kB (1000 bytes)")
    legend_above(figure, handles)
    alt = "; ".join(f"{form}: {ends[form][0] / 1e3:,.1f} to {ends[form][-1] / 1e3:,.1f} kB" for form in forms)
    caption = f"File size of the tickets of {kind} by form, against the weights left. Dotted: after gzip."
    return Sketch("sizes", "Size by format", caption, alt, figure)


def sketch_grid(results: Results) -> Sketch | None:
    """Accuracy by density and bits, a panel for each of the two kinds with most densities; None without two widths."""
    grid = results["grid"]
    kinds: dict[str, list[Row]] = {}
    dense = [row for row in grid if row["kind"] == "dense"]
    for row in grid:
        if row["kind"] != "dense":
            kinds.setdefault(row["kind"], [*dense]).append(row)
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
        "Test accuracy (%) of trained tickets with their weights rounded to a number of bits, with one scale for each"
        " output channel and without training again; 32 means not rounded. Zeros stay zeros. The rounded weights are"
        " kept as floats, so this saves no time. Darker is closer to the best."
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
    axes.set_xlabel("bits per weight")


def sketch_sensitivity(results: Results) -> Sketch | None:
    """Accuracy with one layer pruned, against that layer's density; None without rows."""
    rows, examples = results["sensitivity"], results.examples
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    if not layers:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.9)
    handles: list[Line2D] = []
    dashes: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
    for number, layer in enumerate(layers):
        points = sorted((row for row in rows if row["layer"] == layer), key=lambda row: -row["density"])
        style: dict[str, Any] = {
            "color": KINDS[number % len(KINDS)],
            "marker": "osD^v<>P"[number % 8],
            "linestyle": dashes[number // len(KINDS) % 4],
        }
        axes.plot([100 * row["density"] for row in points], [100 * row["accuracy"] for row in points], **style)
        handles.append(Line2D([], [], label=layer.removesuffix(".weight"), **style))
    density_axis(axes, {row["density"] for row in rows})
    axes.set_xlabel("weights left in the layer (%)")
    axes.set_ylabel("accuracy (%)")
    legend_above(figure, handles[:24])
    low = {layer: min(row["accuracy"] for row in rows if row["layer"] == layer) for layer in layers}
    alt = "; ".join(f"{layer.removesuffix('.weight')}: down to {100 * value:.2f}%" for layer, value in low.items())
    split, dense = "validation" if examples["validation"] else "train", rows[0]["accuracy"]
    error = 100 * binomial_error(dense, dense, examples[split])
    caption = (
        "Accuracy of the trained dense network with one layer pruned by magnitude and the others dense, without"
        f" training again. It is measured on {split}, not test, so that densities may be chosen by it. The binomial"
        f" error of a difference on {examples[split]:,} examples is {error:.2f} points."
    )
    return Sketch("sensitivity", "Sensitivity by layer", caption, alt, figure)
