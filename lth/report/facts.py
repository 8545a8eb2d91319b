"""What was run, as far as rows of results tell it, for the page. Imports no torch."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.statistics import arms_of, densities, percent


def job_facts(rows: Sequence[Row]) -> dict[str, str]:
    """What was run, in a line a fact, for the page; nothing without results."""
    if not rows:
        return {}
    first, levels = rows[0], densities(rows)
    starts = sorted({row["rewind"] for row in rows if row["rewind"] is not None})
    stop, settings = first["iterations"], dict.fromkeys(str(row["setting"]) for row in rows)
    last = max(levels)
    draws = draws_of_controls(rows)
    return {
        "data": str(first["data"]),
        "network": ", ".join(filter(None, [str(first["model"]), parameters_fact(rows)])),
        "levels": f"0 to {last}, {percent(levels[last])}% of the weights left at the last" if last else "0, dense",
        "arms": ", ".join(arms_of(rows)),
        **({"training": training_fact(starts, stop)} if starts and stop is not None else {}),
        "seed": f"{first['seed']}" + (f", {draws} draws of each random control" if draws > 1 else ""),
        "setting": f"{', '.join(settings)}, the same for every seed",
    }


def training_fact(starts: Sequence[int], stop: int) -> str:
    """From which iteration trainings go to which.

    >>> training_fact([0], 1000), training_fact([0, 100], 1000)
    ('iterations 0 to 1,000 at every level', 'to iteration 1,000, from 0 and 100')
    """
    if len(starts) == 1:
        return f"iterations {starts[0]:,} to {stop:,} at every level"
    *others, last = (f"{start:,}" for start in starts)
    return f"to iteration {stop:,}, from {', '.join(others)} and {last}"


def draws_of_controls(rows: Sequence[Row]) -> int:
    """How often random controls were drawn; 1 where tickets have draws too, which are then other repeats."""
    repeated = any(row["draw"] for row in rows if row["arm"] == "ticket")
    return 1 if repeated else 1 + max(row["draw"] for row in rows)


def parameters_fact(rows: Sequence[Row]) -> str:
    """How many parameters of the network are prunable, and of how many, where the rows tell that; empty elsewhere."""
    if not rows[0]["weights_left"] or not rows[0]["density"]:
        return ""
    prunable = round(rows[0]["weights_left"] / rows[0]["density"])
    masked = [
        row
        for row in rows
        if row["arm"] != "small_dense" and (row.get("parameter_density") or 1) < 1 and row["weights_left"] is not None
    ]
    if not masked:
        return f"{prunable:,} prunable weights"
    sparsest = min(masked, key=lambda row: row["parameter_density"])
    pruned = prunable - sparsest["weights_left"]
    return f"{prunable:,} prunable of {round(pruned / (1 - sparsest['parameter_density'])):,} parameters"
