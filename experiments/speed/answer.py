"""What `lth speed` shows, in words and as tables."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import percent

from .goals import GOALS, LADDER, LADDER_USUAL, RATIO_GOALS, Goal
from .gpu_rows import gpu_sentence, gpu_sheet
from .pair_rows import pair_sentence, pair_sheet
from .ways import COMPARED, DENSE, FLOOR, OURS, PEER, SPARSE, USUAL, WAYS
from .wording import spread, three_digits

SHORT = {OURS: "ours", SPARSE: "sparse", DENSE: "dense", USUAL: "usual", PEER: "peer", FLOOR: "floor"}
"""Way -> what a column calls it."""
FIRST = ((OURS, DENSE), (USUAL, OURS), (PEER, OURS), (DENSE, FLOOR))
"""The ratios that 80 columns have room for."""
DIGITS = {"s": 1, "times": 2, "%": 1, "ms": 3}


def answer(results: Results) -> list[str]:
    """How our training compares with dense kernels, the usual way and the floor."""
    sentences = []
    ratios = results["ratios"]
    sparsest = min((row["density"] for row in ratios), default=1.0)
    at_sparsest = [row for row in ratios if row["density"] == sparsest]
    if faster := values(at_sparsest, OURS, DENSE):
        sentences.append(
            f"At {percent(sparsest)}% of the weights an iteration of ours takes {spread(faster)} of the time that it"
            f" takes with dense kernels."
        )
    if usual := values(ratios, USUAL, OURS):
        sentences.append(f"The usual way takes {spread(usual)} times as long as ours.")
    measures = {row["measure"]: row["median"] for row in results["measures"]}
    if LADDER in measures:
        sentences.append(
            f"A search of Lenet-300-100 takes {measures[LADDER]:.2f} of the time that it takes with dense kernels; the"
            f" usual way takes {measures[LADDER_USUAL]:.1f} times as long as ours."
        )
    sentences += filter(None, (pair_sentence(results), gpu_sentence(results)))
    return [" ".join(sentences)] if sentences else []


def values(rows: Sequence[Row], above: str, below: str) -> list[float]:
    """The ratios of two ways, from the least to the most."""
    return sorted(row["ratio"] for row in rows if (row["above"], row["below"]) == (above, below))


def sheets(results: Results) -> list[Sheet]:
    """Ratios by network and density, times on the page, deep networks, then the search and the bounds."""
    tables = [
        ratio_sheet(results),
        time_sheet(results),
        pair_sheet(results),
        gpu_sheet(results),
        measure_sheet(results),
    ]
    return [sheet for sheet in tables if sheet.cells]


def ratio_sheet(results: Results) -> Sheet:
    """A row for each network and density: the ratios of the medians."""
    by_place: dict[tuple[str, float], dict[tuple[str, str], Row]] = {}
    for row in results["ratios"]:
        if (row["above"], row["below"]) in COMPARED:
            by_place.setdefault((row["network"], row["density"]), {})[row["above"], row["below"]] = row
    pairs = [pair for pair in COMPARED if any(pair in rows for rows in by_place.values())]
    times = {(row["network"], row["density"]): row["median"] for row in results["speed"] if row["way"] == OURS}
    cells = [
        [
            network,
            f"{percent(density)}%",
            *(f"{rows[pair]['ratio']:.2f}" if pair in rows else DASH for pair in pairs),
            three_digits(times[network, density]),
        ]
        for (network, density), rows in by_place.items()
    ]
    named = {pair: f"{SHORT[pair[0]]}/{SHORT[pair[1]]}" for pair in pairs}
    return Sheet(
        f"Time of an iteration: ratios of medians{about(results)}",
        ["network", "left", *named.values(), "ours, ms"],
        cells,
        narrow=["network", "left", *(head for pair, head in named.items() if pair in FIRST), "ours, ms"],
        legend={"left": "weights left"} | {SHORT[name]: way.meaning for name, way in WAYS.items()},
        keys=2,
    )


def time_sheet(results: Results) -> Sheet:
    """A row for each network and density: the milliseconds of each way, with their quartiles."""
    by_place: dict[tuple[str, float], dict[str, Row]] = {}
    for row in results["speed"]:
        if row["way"] in WAYS:
            by_place.setdefault((row["network"], row["density"]), {})[row["way"]] = row
    ways = [way for way in WAYS if any(way in rows for rows in by_place.values())]
    cells = [
        [network, f"{percent(density)}%", *(spanned(rows.get(way), 3) for way in ways)]
        for (network, density), rows in by_place.items()
    ]
    heads = ["network", "left", *(f"{SHORT[way]}, ms" for way in ways)]
    title = f"Time of an iteration in milliseconds: medians and quartiles{about(results)}"
    return Sheet(title, heads, cells, keys=2, terminal=False)


def measure_sheet(results: Results) -> Sheet:
    """A row for each bound that the run has measured, and each further measure."""
    cells = []
    for row in results["ratios"]:
        if goal := RATIO_GOALS.get((row["network"], row["density"], row["above"], row["below"])):
            name = f"{row['network']}, {percent(row['density'])}%: {SHORT[row['above']]}/{SHORT[row['below']]}"
            cells.append([name, spanned(row | {"median": row["ratio"]}, 2), *judged(goal, row["ratio"])])
    for row in results["measures"]:
        goal = GOALS.get(row["measure"])
        name = row["measure"] + ("" if row["unit"] == "times" else f", {row['unit']}")
        cells.append([name, spanned(row, DIGITS[row["unit"]]), *judged(goal, row["median"])])
    return Sheet("Bounds and further measures", ("measure", "value (quartiles)", "goal", "kept"), cells)


def judged(goal: Goal | None, value: float) -> list[str]:
    """A bound, and whether `value` keeps it."""
    return [str(goal), "yes" if goal.kept(value) else "no"] if goal else ["", ""]


def spanned(row: Row | None, digits: int) -> str:
    """Median and quartiles as text; a dash without a row."""
    if row is None:
        return DASH
    if row["quartile_1"] is None:
        return f"{row['median']:.{digits}f}"
    return f"{row['median']:.{digits}f} ({row['quartile_1']:.{digits}f} to {row['quartile_3']:.{digits}f})"


def about(results: Results) -> str:
    """How the times were taken, as a title says it."""
    settings = results.settings
    if settings is None:
        return ""
    threads = f"{settings.threads} thread{'s' * (settings.threads > 1)}"
    return f" of {settings.blocks} blocks in turns; CPU, {threads}"
