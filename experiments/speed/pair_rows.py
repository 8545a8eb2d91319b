"""Deep networks on two cores, in tables: the rows that are kept, and the sheet and the sentence that show them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lth.core.tables import Row
from lth.experiment import Item
from lth.report.results import Results
from lth.report.sheet import Sheet
from lth.report.statistics import percent

from .goals import PAIR_GOALS
from .networks import DEEP
from .pair import OURS_BFLOAT16, OURS_COMPILED, OURS_PAIR, PAIR_WAYS, USUAL_WAYS, WITHOUT
from .rows import ratio_of, time_row
from .wording import spread, three_digits

RECIPES = {OURS_PAIR: "float32", OURS_COMPILED: "compiled", OURS_BFLOAT16: "bfloat16"}
"""Way of ours -> what its recipe is called in the sheet."""


def pair_rows(
    network: str, places: Mapping[str, tuple[str, float]], times: Mapping[str, Sequence[float]]
) -> Iterator[Item]:
    """The rows of speed.csv and ratios.csv: of each of the `series` that took turns, and of the usual way over ours.

    The usual way is the one of its two that has the lower median.
    """
    for name, (way, density) in places.items():
        yield "speed", time_row(DEEP[network], density, way, times[name])
    usual = min((name for name in places if places[name][0] in USUAL_WAYS), key=lambda name: np.median(times[name]))
    for name, (way, density) in places.items():
        if way in RECIPES:
            about = {"network": network, "density": density, "above": places[usual][0], "below": way}
            yield "ratios", about | ratio_of(times[usual], times[name]) | {"goal": str(PAIR_GOALS[way])}


def pair_ratios(results: Results) -> list[Row]:
    """The rows of ratios.csv about two cores."""
    return [row for row in results["ratios"] if row["below"] in RECIPES]


def pair_sentence(results: Results) -> str:
    """How many times as many images ours trains on in a second; empty where no deep network was timed."""
    rows = pair_ratios(results)
    if not rows:
        return ""
    networks = " and ".join(dict.fromkeys(row["network"] for row in rows))
    ratios = {way: sorted(row["ratio"] for row in rows if row["below"] == way) for way in RECIPES}
    words = {OURS_COMPILED: "through torch.compile", OURS_BFLOAT16: "in bfloat16"}
    others = [f"{words[way]} {spread(ratios[way])} times" if ratios[way] else WITHOUT[way] for way in WITHOUT]
    return (
        f"On two cores, with flip and crop, ours trains {networks} on {spread(ratios[OURS_PAIR])} times as many images"
        f" in a second as the faster of two usual ways; {'; '.join(others)}."
    )


def pair_sheet(results: Results) -> Sheet:
    """A row for each network, density and recipe: images in a second over both cores, their ratio and its bound."""
    timed = {(row["network"], row["density"], row["way"]): row for row in results["speed"]}
    usual = {(row["network"], row["way"]): row for row in results["speed"] if row["way"] in USUAL_WAYS}
    rows = pair_ratios(results)
    cells = [
        [
            row["network"],
            f"{percent(row['density'])}%",
            RECIPES[row["below"]],
            images_a_second(usual[row["network"], row["above"]]),
            images_a_second(timed[row["network"], row["density"], row["below"]]),
            f"{row['ratio']:.2f}",
            quartile_text(row),
            str(PAIR_GOALS[row["below"]]),
            "yes" if PAIR_GOALS[row["below"]].kept(row["ratio"]) else "no",
        ]
        for row in rows
    ]
    heads = ["network", "left", "recipe", "usual", "ours", "ours/usual", "quartiles", "goal", "kept"]
    faster = dict.fromkeys((row["network"], row["above"]) for row in rows)
    notes = [f"Usual for {network}: {PAIR_WAYS[way].meaning}." for network, way in faster]
    taken = {row["below"] for row in rows}
    notes += [f"In this run {reason}." for way, reason in WITHOUT.items() if rows and way not in taken]
    return Sheet(
        "Deep networks with flip and crop on two cores: images in a second, medians",
        heads,
        cells,
        note=" ".join(notes),
        narrow=[head for head in heads if head != "quartiles"],
        texts=["recipe"],
        legend={"left": "weights left", "usual": "the faster of two usual ways", "ours": PAIR_WAYS[OURS_PAIR].meaning},
        keys=2,
    )


def images_a_second(row: Row) -> str:
    """The images that a way of speed.csv trains on in a second."""
    return three_digits(1e3 * row["batch_size"] / row["median"])


def quartile_text(row: Row) -> str:
    """The quartiles of a row of ratios.csv; empty where a single turn has none."""
    return "" if row["quartile_1"] is None else f"{row['quartile_1']:.2f} to {row['quartile_3']:.2f}"
