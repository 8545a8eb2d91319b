"""The cost of a ticket on the terminal: what is left of it, how it is kept, how fast it runs, and what it scores."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from lth.compression.cost import Cost
from lth.compression.search_cost import SearchCost
from lth.compression.tables import LAYER_COST
from lth.core.shown import shown
from lth.report.terminal import Terminal, say

Row = Mapping[str, Any]
NOISY = 0.3
"""Timing is called disturbed where the quartiles of half of what was timed are further apart than this share of the
median, or where `masked`, whose kernels are the dense network's, runs that much faster or slower than it."""

BESIDE_ONE = "the timing's error, and max pooling, if any, which is faster over zeros"
"""What the measured speed of `masked` differs from dense's by."""
DENSE_KERNELS = (
    "Masked zeros do not speed up dense kernels: the products take as long, whatever the theoretical speed-up."
)


def write_cost(folder: Path, cost: Cost) -> list[Path]:
    """Writes `cost.csv` and `cost_layers.csv` to `folder`; where they are."""
    return [cost.table.write(folder, cost.rows), LAYER_COST.write(folder, cost.layers)]


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """`rows` under `columns`, the first to the left and never broken, all others to the right."""
    table = Table(
        title=shown(title),
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(shown, row))
    return table


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    """`value` with thousands separated; a dash for what was not measured."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def flops(value: float) -> str:
    """FLOPs with the prefix that leaves one to three digits before the point."""
    for power, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g} {prefix}FLOPs"
    return f"{value:.0f} FLOPs"


def layer_table(cost: Cost) -> Table:
    """A row a layer: shape of the weight, parameters, weights kept, sparsity, FLOPs dense and of the kept weights."""
    rows = [
        [
            row["layer"] or row["kind"],
            row["shape"],
            number(row["parameters"]),
            number(row["kept"]),
            number(row["sparsity"] and 100 * row["sparsity"], 1),
            number(row["flops"] / 1e6, 3),
            number(row["sparse_flops"] / 1e6, 3),
        ]
        for row in cost.layers
    ]
    columns = ("layer", "weight", "parameters", "kept", "sparsity %", "MFLOPs", "sparse")
    return table("Layers (FLOPs of one input; 1 multiply-add = 2 FLOPs)", columns, rows)


def count_table(cost: Cost) -> Table:
    """A row a form: parameters, non-zeros, compression ratio, theoretical speed-up, and the file's size."""
    largest = max((row["bytes"] or 0 for row in cost.rows), default=0)
    unit, size, digits = ("kB", 1e3, 1) if largest < 1e7 else ("MB", 1e6, 2)
    rows = [
        [
            row["form"],
            number(row["parameters"]),
            number(row["nonzero"]),
            number(row["compression_ratio"], 2, "x"),
            number(row["theoretical_speedup"], 2, "x"),
            number(row["bytes"] and row["bytes"] / size, digits),
            number(row["gzip_bytes"] and row["gzip_bytes"] / size, digits),
        ]
        for row in cost.rows
    ]
    columns = ("form", "parameters", "non-zero", "compression", "in theory", unit, f"gzip {unit}")
    return table("Kept (compression, speed-up in theory: ShrinkBench's; 1 kB = 1000 bytes)", columns, rows)


def time_table(cost: Cost) -> Table:
    """A row a form: median latency (quartiles) by batch size, how much faster than dense, accuracy and its change."""
    rows = []
    units = {size: _unit(cost, size) for size in cost.batches}
    for row in cost.rows:
        cells = [row["form"]]
        for size, (_, scale, digits) in units.items():
            times = [row.get(f"batch_{size}_{what}") for what in ("seconds", "low", "high")]
            median, low, high = (number(None if time is None else scale * time, digits) for time in times)
            own = row["runs_as"] == row["form"]
            cells += [f"{median} ({low}-{high})", number(row[f"batch_{size}_speedup"], 2, "x")] if own else ["-", "-"]
        accuracy, change = row["test_accuracy"], row["test_accuracy_change"]
        cells.append("-" if accuracy is None else f"{100 * accuracy:.2f}")
        rows.append([*cells, "-" if change is None else f"{100 * change:+.2f}"])
    timed = [name for size, (unit, *_) in units.items() for name in (f"batch {size}, {unit}", "faster")]
    threads = f"{cost.threads} thread{'s' * (cost.threads > 1)}"
    title = f"Run ({threads}; median latency and quartiles; faster: than dense)"
    return table(title, ("form", *timed, "test %", "change"), rows)


def _unit(cost: Cost, size: int) -> tuple[str, float, int]:
    """(unit, units a second, digits) that the latencies at one batch size are shown in."""
    slowest = max((row.get(f"batch_{size}_high") or 0.0 for row in cost.rows), default=0.0)
    return ("us", 1e6, 0) if slowest < 1e-3 else ("ms", 1e3, 2) if slowest < 1 else ("s", 1.0, 2)


def times_faster(row: Row, batch: int) -> float:
    """How many times faster than dense a form runs that is timed in a way of its own.

    1 for `masked`: its kernels are the dense network's, and what was measured beside 1 is `BESIDE_ONE`.
    """
    return 1.0 if row["form"] == "masked" else float(row[f"batch_{batch}_speedup"])


def noise_sentence(rows: Sequence[Row], batches: Sequence[int]) -> str:
    """What to think of the latencies in `rows`, where other work has disturbed them; else nothing."""
    timed = [(row, f"batch_{size}") for row in rows for size in batches if row["runs_as"] == row["form"]]
    spreads = [(row[f"{batch}_high"] - row[f"{batch}_low"]) / row[f"{batch}_seconds"] for row, batch in timed]
    masked = [row[f"{batch}_speedup"] for row, batch in timed if row["form"] == "masked"]
    spread = statistics.median(spreads) if spreads else 0.0
    said = []
    if spread > NOISY:
        said.append(f"half of the quartiles lie {100 * spread:.0f}% of the median apart, or more")
    if max((max(ratio, 1 / ratio) for ratio in masked), default=1.0) > 1 + NOISY:
        said.append(f"masked, which computes what dense does, ran at {min(masked):.2f} to {max(masked):.2f}x its speed")
    if not said:
        return ""
    return (
        f"Other work on this machine disturbed the timing: {'; '.join(said)}. Run it again when the machine is quiet."
    )


def shrink_table(name: str, rows: Sequence[Row], batch: int, threads: int) -> Table:
    """A row for the network and each time that it was shrunk."""
    lines = [
        [
            str(row["times"]),
            number(row["parameters"]),
            number(row["multiply_adds"] / 1e6, 2),
            number(row["conv_linear_multiply_adds"] / 1e6, 2),
            f"{1e3 * row['seconds']:,.2f} ({1e3 * row['low']:,.2f}-{1e3 * row['high']:,.2f})",
            number(row["speedup"], 2, "x"),
        ]
        for row in rows
    ]
    columns = ("shrunk", "parameters", "M products", "conv, linear", f"batch {batch}, ms", "faster")
    title = f"{name} ({threads} thread{'s' * (threads > 1)}; median latency and quartiles)"
    return table(title, columns, lines)


def print_shrinking(name: str, rows: Sequence[Row], batch: int, threads: int) -> None:
    """Prints the table, and what is counted in it."""
    console = Terminal()
    console.print(shrink_table(name, rows, batch, threads))
    say(
        console,
        "M products: multiply-adds of one input in millions, as Torch-Pruning counts them, norms and pooling too; conv,"
        " linear: those layers alone. Each small network gives the logits of the masked one that it was made from.",
    )


def search_sentence(found: SearchCost, level: int | None) -> str:
    """What it took to find the ticket, in words."""
    scores = f" and scores of the network at {found.scores} pruning{'s' * (found.scores > 1)}" if found.scores else ""
    pace = " (to the rewind point at the pace of level 0)" if found.estimated else ""
    seconds = f"{found.seconds:,.0f}" if found.trainings else f"{found.seconds:.2g}"
    return (
        f"To find the ticket of level {level} took {found.trainings} trainings{scores}: {found.iterations:,}"
        f" iterations, {found.epochs:,.1f} epochs, {flops(found.flops)}, {seconds} s{pace}."
    )


def zeros_sentence(cost: Cost) -> str:
    """Why the dense network has zeros, where it has: ShrinkBench's ratios count them as they are."""
    dense = cost.rows[0]
    zeros = dense["parameters"] - dense["nonzero"]
    return f"{zeros:,} parameters of the dense network are zero, too (biases that start there)." if zeros else ""


def print_cost(title: str, cost: Cost, found: SearchCost | None, level: int | None, written: Sequence[Path]) -> None:
    """Prints the tables, what cannot be expected of them, notes on the forms, and where the files lie."""
    console = Terminal()
    console.print(shown(title), style="bold")
    for table in (layer_table(cost), count_table(cost), time_table(cost)):
        console.print(table)
    say(console, DENSE_KERNELS)
    for row in cost.rows[2:]:
        say(console, f"  {row['form']}: {row['note']}")
    for sentence in filter(None, (zeros_sentence(cost), noise_sentence(cost.rows, cost.batches))):
        say(console, sentence)
    if found is not None:
        say(console, search_sentence(found, level))
    if written:
        say(console, f"In {', '.join(map(str, written))}", whole=True)
