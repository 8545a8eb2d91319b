"""The findings of outputs/reference/renda2020: what levels rewind, iteratively and in one shot, at equal densities."""

from collections.abc import Iterable, Mapping

from lth.experiments.imp.ways import SCHEDULES, way_rows, way_sheet
from reference.markdown import table

from findings.measured import Measured, listed, points, trained
from findings.pages import REFERENCE, bullets, paragraph
from lth.commands.claims import load_claims
from lth.core.tables import Row
from lth.lottery.iterate import WAYS, way_of
from lth.report.statistics import percent as density_text

MEASURED = Measured(load_claims("renda2020"), (REFERENCE / "renda2020",))
ACCURACY = "final_test_accuracy"
COMPARED = (("lr", "weights"), ("lr", "finetune"), ("weights", "finetune"))
"""The pairs of ways to iterate that the sentences compare."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": paragraph(trainings()), "shows": bullets(shows()), "levels": levels_table()}


def trainings() -> str:
    """What was trained."""
    rows = MEASURED.results
    return f"""{len({row["seed"] for row in rows})} seeds, three ways, iterative and one-shot pruning,
        {max(row["level"] for row in rows)} levels: {trained(rows)}."""


def shows() -> Iterable[str]:
    """At how many densities one way is told from another, and by how much at the last one."""
    for schedule, words in SCHEDULES.items():
        for first, second in COMPARED:
            of, than = ({"schedule": schedule, "iterate": way, "arm": "ticket"} for way in (first, second))
            yield f"**{words.capitalize()}, `{first}` less `{second}`.** {compared(of, than)}"
    for way in WAYS[:2]:
        of, than = ({"schedule": schedule, "iterate": way, "arm": "ticket"} for schedule in SCHEDULES)
        yield f"**`{way}`, iterative less one-shot.** {compared(of, than)}"


def compared(of: Mapping[str, str], than: Mapping[str, str]) -> str:
    """Where the first is more accurate, and where less, at the end of training and paired by seed."""
    levels = MEASURED.judged("difference", column=ACCURACY, of=dict(of), than=dict(than)).measured
    levels = [level for level in levels if level.density < 1]
    more = [level for level in levels if level.interval.low is not None and level.interval.low > 0]
    less = [level for level in levels if level.interval.high is not None and level.interval.high < 0]
    last = levels[-1]
    signs = {"above": more, "below": less}
    parts = [f"{word} zero at {ends([x.density for x in some])} of the weights" for word, some in signs.items() if some]
    told = " and ".join(parts) or "told from zero at none"
    return f"""Of {len(levels)} densities, the difference in accuracy is {told} (95% intervals, each for itself); at
        {density_text(last.density)}% it is {points(last.interval)} points."""


def ends(densities: list[float]) -> str:
    """Densities in words: all of them, or of more than three the first and the last."""
    texts = [f"{density_text(density)}%" for density in densities]
    return listed(texts) if len(texts) <= 3 else f"{len(texts)} densities from {texts[0]} to {texts[-1]}"


def levels_table() -> str:
    """The table of `lth report`, in Markdown."""
    by_kind: dict[tuple[str, str], list[Row]] = {}
    for row in MEASURED.results:
        by_kind.setdefault((row["schedule"], way_of(row)), []).append(row)
    shown = way_sheet("", list(way_rows(by_kind)), MEASURED.results)
    return table(shown.heads, shown.cells) + "\n\n" + paragraph(shown.note)
