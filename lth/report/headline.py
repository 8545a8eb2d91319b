"""What the seeds of one setting show, in sentences: the smallest densities, and what the seeds have in common."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.lottery.iterate import WAYS, way_of
from lth.report.compared import compared_column, metric_in
from lth.report.conditions import SEEDS
from lth.report.criteria import Criteria
from lth.report.differences import difference_rows, p_text
from lth.report.sheet import MINUS
from lth.report.statistics import percent
from lth.report.units import distinct, units_of
from lth.report.verdict import smallest, verdicts

SCAN = (
    "The smallest densities are corrected for the number of densities (Holm, 5%); the verdict on each density, by its"
    " own 95% intervals, is not."
)
SHARED = {"seed_init": "initial weights (seeds.init)", "seed_order": "order of examples (seeds.order)"}
"""The columns of seeds that trainings of several replicates may have in common, and what that is."""


def schedule_words(row: Row) -> str:
    """How the masks of a row come about in words: its schedule, and what levels rewind where not the weights.

    >>> schedule_words({"schedule": "one_shot", "iterate": "lr"}), schedule_words({"schedule": "iterative"})
    ('one_shot, iterate=lr', 'iterative')
    """
    way = way_of(row)
    return ", ".join(filter(None, [row["schedule"], "" if way == WAYS[0] else f"iterate={way}"]))


def setting_title(rows: Sequence[Row]) -> str:
    """What a setting is called: its data, network and schedule, and the hash that tells it apart."""
    first = rows[0]
    return f"{first['data']}, {first['model']}, {schedule_words(first)} ({first['setting']})"


def counted(count: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def distinct_trainings(rows: Sequence[Row]) -> int:
    """How many distinct trainings of the ticket there are at the level that has most."""
    units = units_of(rows, "ticket", compared_column(rows)).values()
    return max((len(distinct(seeds.values())) for seeds in units), default=0)


def sentence(rows: Sequence[Row], criteria: Criteria | None = None) -> str:
    """What the seeds of one setting show, in plain words."""
    criteria = criteria or Criteria()
    seeds, trainings = len({row["seed"] for row in rows}), distinct_trainings(rows)
    text = f"{setting_title(rows)}: {counted(seeds, 'seed')}"
    text += f", {counted(trainings, 'distinct training')}" if trainings < seeds else ""
    if not any(row["level"] for row in rows):
        return f"{text}; the dense network alone."
    if trainings < SEEDS:
        lines = [f"{text}, no verdict: that takes {SEEDS} distinct trainings.", one_pair(rows), shared(rows)]
        return " ".join(line for line in lines if line)
    judged = verdicts(rows, criteria)
    parts = [
        f"the smallest density with a {word} ticket is {percent(density)}%"
        if density is not None
        else f"at no density is the ticket found to be {word}"
        for word, density in smallest(judged)
    ]
    return " ".join(
        filter(None, [f"{text}; {'; '.join(parts)} ({criteria.of(metric_in(rows).is_share)}).", shared(rows)])
    )


def one_pair(rows: Sequence[Row]) -> str:
    """What the test set says of one pair of networks at the sparsest level that has a p; empty where none has."""
    pairs = [row for row in difference_rows(rows) if row["n"] == 1 and row["p"] is not None]
    if not pairs:
        return ""
    level = max((row for row in pairs), key=lambda row: (row["second"] != "dense", row["level"]))["level"]
    column = compared_column(rows)
    shown = [row for row in pairs if row["level"] == level and row["column"] == column]
    words = ", ".join(
        f"{row['mean']:+.2f} points against {row['second']} (p {p_text(row['p'])})".replace("-", MINUS) for row in shown
    ).replace("(p 0", "(p = 0")
    text = f"On this test set the ticket at {percent(shown[0]['density'])}% differs by {words}"
    return f"{text}: McNemar's exact test, about these networks alone."


def shared(rows: Sequence[Row]) -> str:
    """What the seeds have in common, in words; empty where each has its own."""
    parts = []
    for column, what in SHARED.items():
        values = {row["seed"]: row[column] for row in rows if row.get(column) is not None}
        if len(set(values.values())) < len(values):
            parts.append(what)
    return f"Several seeds share their {' and their '.join(parts)}: n says nothing about others." if parts else ""
