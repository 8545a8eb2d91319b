"""Deep networks on a GPU, in tables: the rows that are kept, and the sheet and the sentence that show them."""

from collections.abc import Iterator, Mapping, Sequence

from lth.core.tables import Row
from lth.experiment import Item
from lth.report.results import Results
from lth.report.sheet import Sheet

from .gpu import (
    GPU_WAYS,
    OURS_GPU,
    OURS_GPU_ALL,
    OURS_GPU_BFLOAT16,
    OURS_GPU_CHANNELS,
    OURS_GPU_COMPILED,
    USUAL_GPU,
)
from .networks import DEEP
from .pair_rows import images_a_second, quartile_text
from .rows import ratio_of, time_row
from .wording import spread

RECIPES = {
    OURS_GPU: "float32",
    OURS_GPU_CHANNELS: "channels_last",
    OURS_GPU_BFLOAT16: "bfloat16",
    OURS_GPU_COMPILED: "compiled",
    OURS_GPU_ALL: "all three",
}
"""Way of ours -> what its recipe is called in the sheet."""


def gpu_rows(network: str, density: float, times: Mapping[str, Sequence[float]]) -> Iterator[Item]:
    """The rows of speed.csv, and those of ratios.csv: of the script's time over that of each of ours."""
    for way, values in times.items():
        yield "speed", time_row(DEEP[network], density, way, values)
    about = {"network": network, "density": density}
    for way in filter(times.__contains__, RECIPES):
        yield "ratios", about | {"above": USUAL_GPU, "below": way, **ratio_of(times[USUAL_GPU], times[way])}


def gpu_ratios(results: Results) -> list[Row]:
    """The rows of ratios.csv about a GPU."""
    return [row for row in results["ratios"] if row["below"] in RECIPES]


def gpu_sentence(results: Results) -> str:
    """How many times as many images ours trains on in a second; empty where nothing was timed on a GPU."""
    rows = gpu_ratios(results)
    if not rows:
        return ""
    networks = " and ".join(dict.fromkeys(row["network"] for row in rows))
    ratios = {way: sorted(row["ratio"] for row in rows if row["below"] == way) for way in RECIPES}
    others = [f"{RECIPES[way]} {spread(ratios[way])}" for way in RECIPES if way != OURS_GPU and ratios[way]]
    return (
        f"On the GPU, with flip and crop, ours trains {networks} on {spread(ratios[OURS_GPU])} times as many images in"
        f" a second as a script with a DataLoader ({', '.join(others)})."
    )


def gpu_sheet(results: Results) -> Sheet:
    """A row for each network and recipe: images in a second, and their ratio."""
    timed = {(row["network"], row["way"]): row for row in results["speed"]}
    cells = [
        [
            row["network"],
            RECIPES[row["below"]],
            images_a_second(timed[row["network"], row["above"]]),
            images_a_second(timed[row["network"], row["below"]]),
            f"{row['ratio']:.2f}",
            quartile_text(row),
        ]
        for row in gpu_ratios(results)
    ]
    return Sheet(
        "Deep networks with flip and crop on a GPU: images in a second, medians",
        ["network", "recipe", "usual", "ours", "ours/usual", "quartiles"],
        cells,
        texts=["recipe"],
        legend={"usual": GPU_WAYS[USUAL_GPU].meaning, "all three": "channels_last, bfloat16 and compiled"},
        keys=2,
    )
