"""The main figure of `lth deploy`: accuracy against file size and latency."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from lth.core.tables import Row
from lth.report.cost import BESIDE_ONE, times_faster
from lth.report.figures.axes import legend_above, new_figure
from lth.report.figures.drawing import Sketch
from lth.report.results import Results
from lth.report.statistics import binomial_error, percent

KINDS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of the kinds of ticket, in order, without dense (Okabe-Ito)."""
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
"""How far below the accuracy of the dense network the axes reach, 0..1."""
STORED = ("dense", "csr", "packed", "packed_int8", "int8_static", "shrunk")
EXECUTED = ("dense", "masked", "csr", "int8_dynamic", "int8_static", "shrunk", "onnx")
"""The forms that files, and latencies, are drawn of."""
Place = Callable[[Row], float]


def colours(rows: Sequence[Row]) -> dict[str, str]:
    """Kind -> its colour, in order of appearance."""
    kinds = [kind for kind in dict.fromkeys(row["kind"] for row in rows) if kind != "dense"]
    return {"dense": DENSE} | {kind: KINDS[number % len(KINDS)] for number, kind in enumerate(kinds)}


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The Pareto front of (gain, accuracy), in order of falling gain; larger is better for both.

    >>> front([(1.0, 0.9), (2.0, 0.8), (1.5, 0.7)])
    [(2.0, 0.8), (1.0, 0.9)]
    """
    best: list[tuple[float, float]] = []
    for gain, accuracy in sorted(set(points), reverse=True):
        if not best or accuracy > best[-1][1]:
            best.append((gain, accuracy))
    return best


def baseline(costs: Sequence[Row]) -> Row:
    """The row of the dense network in its dense form."""
    return next(row for row in costs if row["kind"] == row["form"] == "dense")


def sketch_worth(results: Results) -> Sketch | None:
    """Accuracy against how many times smaller a file is, and how many times faster a batch of 1 and of 64 runs.

    On the fronts of latency masked counts as 1: see `times_faster`. None without rows.
    """
    costs, examples = results["cost"], results.examples.get("test")
    if not costs:
        return None
    dense, colour = baseline(costs), colours(costs)
    rows_once = [row for row in costs if row["form"] != "dense" or row["kind"] == "dense"]  # it stands beside all kinds
    stored = [row for row in rows_once if row["form"] in STORED and row["bytes"]]
    executed = [row for row in rows_once if row["form"] in EXECUTED and row["runs_as"] == row["form"]]

    def smaller(row: Row) -> float:
        return float(dense["bytes"] / row["bytes"])

    panels: list[tuple[str, list[Row], Place, Place]] = [
        ("times smaller as a file", stored, smaller, smaller),
        (
            "times faster, batch 1",
            executed,
            lambda row: float(row["batch_1_speedup"]),
            lambda row: times_faster(row, 1),
        ),
        (
            "times faster, batch 64",
            executed,
            lambda row: float(row["batch_64_speedup"]),
            lambda row: times_faster(row, 64),
        ),
    ]
    figure, [across] = new_figure(1, 3, 3.1, sharey=True)
    lowest = dense["test_accuracy"] - FALL
    for axes, (label, rows, place, counted) in zip(across, panels, strict=True):
        for row in rows:
            axes.plot(
                place(row), 100 * row["test_accuracy"], MARKERS[row["form"]], color=colour[row["kind"]], alpha=0.75
            )
        edge = front([(counted(row), 100 * row["test_accuracy"]) for row in rows])
        axes.step(*zip(*edge, strict=True), where="post", color="#000000", linewidth=0.8, zorder=1)
        _times_axis(axes, [place(row) for row in rows])
        axes.axvline(1, color=DENSE, linewidth=0.6, linestyle=":")
        axes.set_xlabel(label)
    shown = [row["test_accuracy"] for row in [*stored, *executed] if row["test_accuracy"] >= lowest]
    margin = max(0.004, 0.05 * (max(shown) - min(shown)))
    across[0].set_ylim(100 * (min(shown) - margin), 100 * (max(shown) + margin))
    across[0].set_ylabel("test accuracy (%)")
    legend_above(figure, _legend(colour, [row["form"] for row in [*stored, *executed]]))
    return Sketch(
        "worth", "Accuracy against size and time", *_about_worth(costs, [*stored, *executed], lowest, examples), figure
    )


def _legend(by_kind: Mapping[str, str], forms: Sequence[str]) -> list[Line2D]:
    """Kinds by colour, forms by marker, the Pareto front."""
    kinds = [Line2D([], [], color=colour, linewidth=4, label=kind) for kind, colour in by_kind.items()]
    marks = [
        Line2D([], [], color="#555555", marker=marker, linestyle="", label=form)
        for form, marker in MARKERS.items()
        if form in forms and form != "dense"
    ]
    return [*kinds, *marks, Line2D([], [], color="#000000", linewidth=0.8, label="Pareto front")]


def _about_worth(costs: Sequence[Row], shown: Sequence[Row], lowest: float, examples: int | None) -> tuple[str, str]:
    below = len({(row["kind"], row["level"], row["form"]) for row in shown if row["test_accuracy"] < lowest})
    dense = baseline(costs)
    precise = "Means over seeds."
    if examples is not None:
        error = 100 * binomial_error(dense["test_accuracy"], dense["test_accuracy"], examples)
        precise = f"The binomial error of a difference on {examples:,} test examples is {error:.2f} points."
    caption = (
        "Test accuracy of every trained ticket (colour: its kind) in every form (marker), against how many times"
        f" smaller its file is than the dense network's {dense['bytes'] / 1e3:,.1f} kB and how many times faster it"
        " runs than the dense network (the median over rounds in which the two are timed by turns). The line is the"
        " Pareto front of a panel, on this test set; the large cross is the dense network. Masked zeros do not speed up"
        f" dense kernels, so masked counts as 1 on the front; it differs from 1 by {BESIDE_ONE}. {precise}"
    )
    if below:
        caption += (
            f" {below} forms are not shown: their accuracy is over {100 * FALL:g} points below the dense network's."
        )
    best = min((row for row in costs if row["bytes"]), key=lambda row: row["bytes"])
    alt = (
        f"The dense network: {100 * dense['test_accuracy']:.2f}%. The smallest file: {best['form']} of {best['kind']}"
        f" at {percent(best['density'])}% of the weights, {dense['bytes'] / best['bytes']:.1f} times smaller, at"
        f" {100 * best['test_accuracy']:.2f}%."
    )
    return caption, alt


def _times_axis(axes: Axes, values: Sequence[float]) -> None:
    """Makes x a logarithmic axis of factors, with plain numbers."""
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
