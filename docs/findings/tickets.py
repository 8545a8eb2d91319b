"""What the findings about winning tickets have in common: densities in words, what is undecided, censored stops."""

from collections.abc import Iterable, Sequence

from findings.measured import listed
from lth.core.tables import Row
from lth.report.statistics import percent as density_text
from lth.report.verdict import Verdict


def spans(chosen: Sequence[float], densities: Sequence[float]) -> str:
    """Those of `densities` that are `chosen`, in percent; three and more in a row by the first and the last."""
    rows: list[list[float]] = [[]]
    for density in densities:
        if density in chosen:
            rows[-1].append(density)
        else:
            rows.append([])
    words = []
    for row in filter(None, rows):
        texts = [density_text(density) for density in row]
        words += [f"{texts[0]} to {texts[-1]}"] if len(texts) > 2 else texts
    return f"{listed(words)}%"


def undecided(judged: Sequence[Verdict]) -> str:
    """What the seeds leave open, in a sentence."""
    open_parts = {left(x.density): [part.name for part in x.parts if part.holds is None] for x in judged}
    words = [f"at {density} whether it is {listed(names)}" for density, names in open_parts.items() if names]
    return f"Undecided is {'; '.join(words)}." if words else ""


def censored(rows: Iterable[Row]) -> str:
    """How many early stops of `rows` are censored, by arm and density."""
    counts: dict[tuple[str, float], list[bool]] = {}
    for row in rows:
        name = "one-shot tickets" if row["schedule"] == "one_shot" else f"`{row['arm']}`"
        counts.setdefault((name, row["density"]), []).append(row["early_stop_censored"])
    late = [f"{sum(x)} of {len(x)} of {name} at {left(density)}" for (name, density), x in counts.items() if any(x)]
    return listed(late)


def left(density: float) -> str:
    """A density (0..1) in percent, as text."""
    return f"{density_text(density)}%"
