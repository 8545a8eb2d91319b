"""The findings of outputs/reference/speed: how fast networks train, dense and sparse."""

from collections.abc import Iterable
from pathlib import Path

from lth.experiments.speed.answer import measure_sheet, ratio_sheet, values
from lth.experiments.speed.goals import COMPILED, LADDER, LADDER_USUAL
from lth.experiments.speed.gpu_rows import gpu_sentence, gpu_sheet
from lth.experiments.speed.pair_rows import pair_sentence, pair_sheet
from lth.experiments.speed.tables import TABLES
from lth.experiments.speed.ways import COMPARED, DENSE, FLOOR, OURS, PEER, USUAL
from lth.experiments.speed.wording import spread
from reference.markdown import table

from findings.measured import listed, number, ratio
from findings.pages import REFERENCE, bullets, paragraph
from lth.core.reading import read_json
from lth.core.tables import Row
from lth.report.results import Results
from lth.report.sheet import Sheet
from lth.report.statistics import percent as density_text

FOLDER = REFERENCE / "speed"
BREAK_EVEN = 1.0


def read(folder: Path) -> Results:
    """The tables of one run of `lth speed`."""
    return Results({one.name: one.read(one.path(folder)) for one in TABLES if one.path(folder).exists()})


RESULTS, DEEP, GPU = read(FOLDER), read(FOLDER / "deep"), read(FOLDER / "gpu")
"""What was measured on one core, and of deep networks on two cores and on a GPU: a run each."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {
        "run": run(),
        "shows": bullets(shows()),
        "ratios": shown(ratio_sheet(RESULTS)),
        "deep": deep(),
        "gpu": gpu(),
        "bounds": shown(measure_sheet(RESULTS)),
    }


def shown(sheet: Sheet) -> str:
    """A sheet as a table."""
    return table(sheet.heads, sheet.cells)


def deep() -> str:
    """Deep networks on two cores."""
    sheet, blocks = pair_sheet(DEEP), {row["blocks"] for row in DEEP["speed"]}
    return f"{shown(sheet)}\n\n{paragraph(f'{sheet.note} Medians of {max(blocks)} blocks.')}"


def gpu() -> str:
    """Deep networks on a GPU."""
    machine, blocks = read_json(FOLDER / "gpu" / "speed.json")["machine"], {row["blocks"] for row in GPU["speed"]}
    place = f"{machine['device']}, Python {machine['python']}, torch {machine['torch']}"
    return f"{shown(gpu_sheet(GPU))}\n\n{paragraph(f'{place}. Medians of {max(blocks)} blocks.')}"


def run() -> str:
    """The machine, and how much was timed."""
    machine = read_json(FOLDER / "speed.json")["machine"]
    counts = sorted({row["blocks"] for row in RESULTS["speed"]})
    threads = machine["threads"]
    return paragraph(
        f"""{machine["processor"]}, {threads} thread{"s" * (threads > 1)}, Python {machine["python"]}, torch
            {machine["torch"]}. Medians of {listed([str(count) for count in counts])} blocks, which take turns within
            one run. Compiling or loading the kernels took {number(measure(COMPILED), 1)} s."""
    )


def shows() -> Iterable[str]:
    """Ours beside dense kernels, another library, the usual way and the floor; the search."""
    yield f"""**Sparse beside dense.** An iteration of ours, as a part of the time that it takes with dense kernels:
        {"; ".join(by_network(OURS, DENSE))}."""
    if peers := by_network(PEER, OURS):
        yield f"""**SparseLab.** Its iteration takes so many times as long as ours: {"; ".join(peers)}."""
    usual = {name: values(rows_of(name), USUAL, OURS) for name in networks()}
    several = [f"{name} {spread(ratios)}" for name, ratios in usual.items() if ratios]
    yield f"""**The usual way** takes so many times as long as ours, over the densities: {listed(several)}."""
    floors = [f"{row['network']} {ratio(row['ratio'])}" for row in pairs(DENSE, FLOOR) if row["density"] == 1]
    if floors:
        yield f"""**The floor.** A dense iteration takes so many times as long as its products alone:
            {listed(floors)}."""
    if measure(LADDER):
        yield f"""**A search** of Lenet-300-100 takes {ratio(measure(LADDER))} of the time that it takes with dense
            kernels, and the usual way {ratio(measure(LADDER_USUAL))} times as long as ours."""
    yield f"**Deep networks.** {pair_sentence(DEEP)} {gpu_sentence(GPU)}"
    even = [row for row in pairs(OURS, DENSE) if row["density"] < 1 and row["ratio"] >= BREAK_EVEN]
    if even:
        places = [f"{row['network']} at {density_text(row['density'])}%" for row in even]
        yield f"""**No faster than dense**: {listed(places)}."""


def pairs(above: str, below: str) -> list[Row]:
    """The rows of ratios.csv of two ways."""
    return [row for row in RESULTS["ratios"] if (row["above"], row["below"]) == (above, below)]


def networks() -> list[str]:
    """The networks that were timed on one core, in their order."""
    compared = [row for row in RESULTS["ratios"] if (row["above"], row["below"]) in COMPARED]
    return list(dict.fromkeys(row["network"] for row in compared))


def rows_of(network: str) -> list[Row]:
    """The rows of ratios.csv of a network."""
    return [row for row in RESULTS["ratios"] if row["network"] == network]


def by_network(above: str, below: str) -> list[str]:
    """The ratios of two ways by density, a text for each network."""
    texts = []
    for name in networks():
        rows = [row for row in pairs(above, below) if row["network"] == name and row["density"] < 1]
        if rows:
            parts = [f"{ratio(row['ratio'])} at {density_text(row['density'])}%" for row in rows]
            texts.append(f"{name} {listed(parts)}")
    return texts


def measure(name: str) -> float:
    """The median of a row of measures.csv; zero without it."""
    return next((float(row["median"]) for row in RESULTS["measures"] if row["measure"] == name), 0.0)
