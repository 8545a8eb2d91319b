"""The findings of outputs/reference/deploy: what tickets of LeNet5 are worth, and the cost of one of Lenet-300-100."""

from collections.abc import Iterable
from pathlib import Path

from lth.experiments.deploy.comparison import HEADS, WORTH
from lth.experiments.deploy.sheets import SHORT
from reference.markdown import table

from findings.measured import Measured, listed, number, percent, points, runs, seconds, told
from findings.pages import REFERENCE, bullets, paragraph
from lth.compression.tables import cost_table
from lth.core.tables import Row
from lth.report.claims.files import Claims
from lth.report.comparison import span
from lth.report.intervals import Interval
from lth.report.sheet import DASH, Sheet, markdown
from lth.report.statistics import percent as density_text
from lth.report.statistics import short

FOLDER = REFERENCE / "deploy"
CLAIMS = Claims("", "deploy", "lth deploy", "mnist", "lenet5", (), Path("deploy"), chance=11.35)
MEASURED = Measured(CLAIMS, (FOLDER / "results.csv",))
ACCURACY = "early_stop_test_accuracy"
KINDS = {"weights": "iterative", "channels": "iterative_channels", "2:4": "iterative_2:4", "1:4": "iterative_1:4"}
"""Kind of ticket -> the schedule of its trainings."""
TIMED = "batch_64_speedup_mean"
FEW = 3
"""Bits that cost accuracy."""
FORMS = ("dense", "masked", "csr", "int8_dynamic", "int8_static", "shrunk", "onnx")
"""The forms that run in a way of their own."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": trainings(), "shows": bullets(shows()), "cost": cost(), "ratios": ratios()}


def files() -> dict[str, str]:
    """worth.md, made from worth.csv."""
    title = (
        "Tickets of lenet5 on mnist: weights left, test accuracy and its change (%, mean ± half of the interval over"
        " seeds), how many times smaller and faster (batch 64) in which form; what the search took"
    )
    return {"worth.md": markdown([Sheet(title, HEADS, [_cells(row) for row in tickets()])])}


def worth() -> list[Row]:
    """The rows of worth.csv."""
    return WORTH.read(WORTH.path(FOLDER))


def tickets() -> list[Row]:
    """The rows of worth.csv that are about tickets as they were trained, and the dense network."""
    return [row for row in worth() if row["form"] == ("masked" if row["level"] else "dense")]


def forms_of(ticket: Row) -> dict[str, Row]:
    """Form -> row, of one ticket."""
    return {
        str(row["form"]): row for row in worth() if (row["kind"], row["level"]) == (ticket["kind"], ticket["level"])
    }


def best(ticket: Row, column: str) -> tuple[str, float]:
    """The form of a ticket that has the largest value of a column, and the value."""
    values = {form: row[column] for form, row in forms_of(ticket).items() if row[column] is not None}
    form = max(values, key=lambda form: values[form])
    return SHORT.get(form, form), values[form]


def _cells(ticket: Row) -> list[str]:
    """A ticket, a cell for each of HEADS."""
    change = span(ticket, "test_accuracy_change", 100, signed=True) if ticket["level"] else DASH
    smaller, faster = best(ticket, "times_smaller_mean"), best(ticket, TIMED)
    epochs, flops = f"{ticket['search_epochs']:.3g}", f"{ticket['search_flops'] / 1e12:.3g}"
    search = [epochs, flops, short(ticket["search_seconds"])] if ticket["level"] else [DASH] * 3
    best_forms = [f"{smaller[1]:.1f}x {smaller[0]}", f"{faster[1]:.2f}x {faster[0]}"]
    left = density_text(ticket["density"])
    return [
        ticket["kind"],
        left,
        f"{ticket['n']:.0f}",
        span(ticket, "test_accuracy", 100),
        change,
        *best_forms,
        *search,
    ]


def trainings() -> str:
    """What was trained."""
    (iterations,) = {row["iterations"] for row in MEASURED.results}
    return paragraph(
        f"""Seeds {listed(sorted({str(row["seed"]) for row in MEASURED.results}))}: {len(runs(MEASURED.results))}
            trainings of {iterations:,} iterations, which took {seconds(MEASURED.results)}, two at a time on 2 cores
            that had other work to do."""
    )


def shows() -> Iterable[str]:
    """Size, bits, time and search."""
    small, channels = ticket("weights", 3), ticket("channels", 4)
    yield f"""**Size.** At {left(small)} of the weights a ticket has {accuracy(small)} test accuracy, the dense network
        {accuracy(ticket("dense", 0))}. Stored as a mask of bits and int8 values (`packed_int8`), it is
        {forms_of(small)["packed_int8"]["times_smaller_mean"]:.1f} times smaller than the dense network. Tickets of
        whole channels at {left(channels)} of the weights are plain small networks,
        {forms_of(channels)["shrunk"]["times_smaller_mean"]:.1f} times smaller, at {accuracy(channels)}."""
    pruned = [row for row in tickets() if row["level"]]
    words = [
        f"{kind} {listed([f'{points(change(row))} at {left(row)}' for row in pruned if row['kind'] == kind])}"
        for kind in KINDS
    ]
    changes = {f"{row['kind']} at {left(row)}": change(row) for row in pruned}
    yield f"""**Accuracy** differs from that of the dense network of the same seed, in points: {"; ".join(words)}.
        {told(changes)}"""
    yield from bits()
    yield from time()
    epochs = [row["search_epochs"] for row in tickets() if row["level"]]
    once = {f"{row['search_epochs']:.0f}" for row in tickets() if row["kind"] in ("2:4", "1:4")}
    yield f"""**Search.** Tickets took {min(epochs):.0f} to {max(epochs):.0f} epochs before their own training; 2:4 and
        1:4 took one training of {listed(sorted(once))}."""


def bits() -> Iterable[str]:
    """What fewer bits change the mean accuracy by."""

    def changed(row: Row, count: int) -> float:
        return 100 * float(forms_of(row)[f"bits_{count}"]["test_accuracy_mean"] - row["test_accuracy_mean"])

    most = max(abs(changed(row, count)) for row in tickets() for count in (5, 6, 7, 8))
    dense, sparsest = ticket("dense", 0), ticket("weights", 6)
    lowest = [100 * forms_of(row)["bits_2"]["test_accuracy_mean"] for row in tickets()]
    yield f"""**Bits.** Rounding the weights to {FEW + 2} bits or more changes the mean accuracy of a ticket by
        {number(most)} points at most, rounding to {FEW} bits by {number(changed(dense, FEW))} points (dense) and
        {number(changed(sparsest, FEW))} points (weights at {left(sparsest)}). With {FEW - 1} bits the mean accuracies
        lie between {number(min(lowest))} and {number(max(lowest))}%."""


def time() -> Iterable[str]:
    """How many times as fast as the dense network each form is, by the means over seeds."""

    def of_form(form: str, column: str = TIMED) -> list[float]:
        return [row[column] for row in worth() if row["form"] == form and row[column] is not None]

    channels = [row for row in tickets() if row["kind"] == "channels"]
    shrunk = [f"{forms_of(row)['shrunk'][TIMED]:.1f} at {left(row)}" for row in channels]
    slow = [1 / x for form in ("int8_dynamic", "int8_static") for x in of_form(form, "batch_1_speedup_mean")]
    first, *rest = shrunk
    yield f"""**Time, one thread, means over seeds.** At batch 64, networks with pruned channels removed (`shrunk`) are
        {first.replace(" at ", " times as fast as dense at ")} of the weights, {listed(rest)}; `int8_static` is
        {_range(of_form("int8_static"), 1)} times as fast, `csr` {_range(of_form("csr"))} times. At batch 1, int8 takes
        {_range(slow, 1)} times as long as dense. ONNX Runtime is {_range(of_form("onnx"), 1)} times as fast at batch 64
        and {_range(of_form("onnx", "batch_1_speedup_mean"), 1)} times at batch 1, for the dense network too: its
        kernels are faster, and zeros save it nothing."""
    yield """**Masked zeros do not speed up dense kernels.** A masked network runs the kernels of the dense one, and
        counts as one times as fast."""


def _range(values: list[float], digits: int = 2) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def ticket(kind: str, level: int) -> Row:
    """The row of a ticket."""
    return next(row for row in tickets() if (row["kind"], row["level"]) == (kind, level))


def left(row: Row) -> str:
    """The share of all weights that is left, as text."""
    return f"{density_text(row['density'])}%"


def accuracy(row: Row) -> str:
    """The test accuracy of a ticket."""
    bounds = (100 * row[f"test_accuracy_{bound}"] for bound in ("mean", "low", "high"))
    return percent(Interval(*bounds, int(row["n"])))


def change(row: Row) -> Interval:
    """Points of test accuracy that a ticket lies above the dense network of its seed."""
    sides = {"of": {"arm": "ticket"}, "than": {"arm": "ticket", "level": 0}, "where": {"schedule": KINDS[row["kind"]]}}
    by_level = MEASURED.judged("difference", column=ACCURACY, **sides).measured
    return by_level[row["level"] - 1].interval


def cost_rows() -> dict[str, Row]:
    """Form -> row of the cost of a 3.6% dense Lenet-300-100."""
    sheet = cost_table((1, 64))
    return {row["form"]: row for row in sheet.read(sheet.path(FOLDER / "lenet_300_100"))}


def cost() -> str:
    """The cost of each form."""
    rows = cost_rows()
    cells = []
    for form in FORMS:
        row = rows[form]
        timed = [text for size in (1, 64) for text in (_microseconds(row, size), f"{row[f'batch_{size}_speedup']:.2f}")]
        cells.append([form, f"{row['bytes'] / 1e3:,.1f}", *timed, number(100 * row["test_accuracy"])])
    for form in ("packed", "packed_int8"):
        row = rows[form]
        cells.append([form, f"{row['bytes'] / 1e3:,.1f}", *[""] * 4, number(100 * row["test_accuracy"])])
    return table(["form", "kB", "batch 1 (µs)", "speed-up", "batch 64 (µs)", "speed-up", "test accuracy (%)"], cells)


def _microseconds(row: Row, size: int) -> str:
    median, low, high = (f"{1e6 * row[f'batch_{size}_{what}']:.0f}" for what in ("seconds", "low", "high"))
    return f"{median} ({low} to {high})"


def ratios() -> str:
    """What the counts promise, and what was measured."""
    rows = cost_rows()
    masked = rows["masked"]
    timed = [row for form, row in rows.items() if row["runs_as"] == form != "onnx"]
    fastest = {size: max((row[f"batch_{size}_speedup"], row["form"]) for row in timed) for size in (1, 64)}
    return paragraph(
        f"""The compression of {masked["compression_ratio"]:.1f} times and theoretical speed-up of
            {masked["theoretical_speedup"]:.1f} times amount, on this machine and in PyTorch, to {fastest[64][0]:.1f}
            times at batch 64 (`{fastest[64][1]}`) and {fastest[1][0]:.2f} times at batch 1 (`{fastest[1][1]}`). Times
            are medians and quartiles of one run; the speed-up is the median of the ratios within a round."""
    )
