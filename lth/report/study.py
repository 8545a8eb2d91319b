"""A study: one setting over its seeds, with its one-shot counterpart where there is one. Its page and its sentence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lth.core.tables import Row
from lth.lottery.arms import meaning
from lth.report.export import BARS, difference_rows, difference_sheet
from lth.report.figures.captions import about_seeds, seeds_in
from lth.report.gather import Gathered, pairs_by_schedule
from lth.report.intervals import Interval, Summarize, over_seeds
from lth.report.recorder import job_facts
from lth.report.sheet import DASH, Cell, Sheet
from lth.report.statistics import STOP, accuracy_column, arms_of, densities, percent
from lth.report.verdict import SEEDS, Verdict, verdicts

SCAN = "Each density has its own verdict: the scan over densities for the smallest one is not corrected."
LEGEND = {
    "matching": "the ticket's test accuracy is at most 0.5 points below the dense network's",
    "winning": "matching, its early stop comes before 1.1 times the dense network's, and it is more accurate than"
    " reinit and shuffle",
    "undecided": "the 95% t intervals over seeds leave it open, or a control was not run",
}
"""The words of verdicts."""


def studies(gathered: Gathered) -> list[Gathered]:
    """The results of each study: a setting, together with its one-shot counterpart where there is one."""
    settings, counterparts = gathered.settings(), dict(pairs_by_schedule(gathered))
    paired = set(counterparts.values())
    return [
        replace(gathered, rows=[*rows, *settings.get(counterparts.get(setting, ""), [])])
        for setting, rows in settings.items()
        if setting not in paired
    ]


def setting_title(rows: Sequence[Row]) -> str:
    """What a setting is called: its data, network and schedule, and the hash that tells it apart."""
    first = rows[0]
    return f"{first['data']}, {first['model']}, {first['schedule']} ({first['setting']})"


def counted(count: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def sentence(rows: Sequence[Row]) -> str:
    """What the seeds of one setting show, in plain words."""
    seeds = len({row["seed"] for row in rows})
    text = f"{setting_title(rows)}: {counted(seeds, 'seed')}"
    if seeds < SEEDS:
        return f"{text}, no verdict: that takes {SEEDS}."
    decided = verdicts(rows).values()
    densities_of = {
        "matching": [verdict.density for verdict in decided if verdict.matching],
        "winning": [verdict.density for verdict in decided if verdict.decision == "winning"],
    }
    parts = [
        f"the smallest density with a {word} ticket is {percent(min(smallest))}%"
        if smallest
        else f"at no density is the ticket found to be {word}"
        for word, smallest in densities_of.items()
    ]
    return f"{text}; {'; '.join(parts)}."


def study_sheets(study: Gathered, bars: str) -> list[Sheet]:
    """The table of a study over its seeds, with the verdicts, and the paired differences of each of its settings."""
    settings = list(study.settings().values())
    differences = [
        replace(sheet, folded=True)
        for rows in settings
        if (found := difference_rows(rows)) and (sheet := difference_sheet(setting_title(rows), found))
    ]
    return [results_sheet(study.rows, settings[0], BARS[bars]), *differences]


def columns_of(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """(label, rows) of every arm of every schedule: the columns of the table."""
    columns = []
    for once in (False, True):
        of_schedule = [row for row in rows if (row["schedule"] == "one_shot") == once]
        for arm in arms_of(of_schedule):
            mine = [row for row in of_schedule if row["arm"] == arm]
            columns.append((f"{arm}, one-shot" if once and len(of_schedule) < len(rows) else arm, mine))
    return columns


def results_sheet(rows: Sequence[Row], main: Sequence[Row], bars: Summarize) -> Sheet:
    """A row for each level: accuracy and early stop of every arm with its interval, and the verdict on the ticket.

    rows: of the study; main: those of the setting that the verdicts are about.
    """
    columns, accuracy = columns_of(rows), accuracy_column(rows)
    early = accuracy.startswith("early_stop")
    words = {level: verdict_cell(verdict) for level, verdict in verdicts(main).items()}
    usual = usual_count(rows)
    shown = [accuracy, STOP] if early else [accuracy]
    by_column = [[over_seeds(mine, mine[0]["arm"], column, bars) for _, mine in columns] for column in shown]
    cells = []
    for level, density in sorted(densities(rows).items()):
        line: list[str] = [str(level), percent(density), *([words.get(level, Cell(""))] if words else [])]
        for column, by_level in zip(shown, by_column, strict=True):
            line += [interval_cell(intervals.get(level, (0.0, None))[1], column, usual) for intervals in by_level]
        cells.append(line)
    names = ["Test accuracy at early stop (%)", "Early-stop iteration"] if early else ["Final test accuracy (%)"]
    labels = [label for label, _ in columns]
    groups = [("", 2 + bool(words)), *((name, len(columns)) for name in names)]
    heads = ["level", "density (%)", *(["verdict"] if words else []), *(labels * len(names))]
    legend = {row["arm"]: meaning(row["arm"]) for _, (row, *_) in columns}
    note = results_note(rows, early, bool(words), bars)
    return Sheet("Results", heads, cells, note=note, groups=groups, texts=("verdict",), legend=legend)


def verdict_cell(verdict: Verdict) -> Cell:
    """The verdict on a ticket, with its reasons below it."""
    decision, _, reasons = verdict.words.partition(": ")
    return Cell(decision, note=reasons)


def results_note(rows: Sequence[Row], early: bool, judged: bool, bars: Summarize) -> str:
    """What is to be said of the table."""
    parts = [about_seeds(rows, bars).replace("error bars", "the intervals below them").strip()]
    if " to " in seeds_in(rows):
        parts.append(f"n = {usual_count(rows)} where a cell says nothing else.")
    if early:
        parts.append("The early stop is the evaluation with the lowest validation loss, found after full training.")
    if any(row["early_stop_censored"] for row in rows):
        parts.append(
            "≥ marks a lower bound, without an interval: a seed's early stop lies in the last 5% of training, so its"
            " minimum may come later."
        )
    if judged:
        parts.append(
            "Verdicts are not corrected for multiple comparisons: each density is judged as if it were the only one, so"
            " with many densities some verdicts are due to chance."
        )
    return " ".join(parts)


def usual_count(rows: Sequence[Row]) -> int:
    """The number of seeds that most arms at most levels have."""
    seeds: dict[tuple[str, str, int], set[int]] = {}
    for row in rows:
        seeds.setdefault((row["schedule"], row["arm"], row["level"]), set()).add(row["seed"])
    [(count, _)] = Counter(len(numbers) for numbers in seeds.values()).most_common(1)
    return count


def interval_cell(interval: Interval | None, column: str, usual: int) -> Cell:
    """Mean and interval; accuracies in percent, a lower bound after ≥, and n where it is another than usual."""
    if interval is None:
        return Cell(DASH)

    def text(value: float) -> str:
        return f"{value:,.0f}" if column == STOP else f"{100 * value:.2f}"

    bounded = interval.low is not None and interval.high is not None
    notes = [f"{text(interval.low)} to {text(interval.high)}"] if bounded else []  # type: ignore[arg-type]
    if interval.n != usual:
        notes.append(f"n = {interval.n}")
    return Cell(("≥ " if interval.censored else "") + text(interval.mean), ", ".join(notes))


def study_facts(rows: Sequence[Row]) -> dict[str, str]:
    """What was run, as far as the rows tell."""
    dense = [row for row in rows if row["level"] == 0] or list(rows)
    facts = job_facts([*dense[:1], *rows])
    facts.pop("seed")
    draws = 1 + max(row["draw"] for row in rows)
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    settings = dict.fromkeys(f"{row['setting']} ({row['schedule']})" for row in rows)
    return facts | {
        "seeds": seeds + (f"; up to {draws} draws of each random control" if draws > 1 else ""),
        "setting": ", ".join(settings),
    }


OVERVIEW_HEADS = ("study", "schedule", "iterations", "seeds", "levels", "sparsest (%)", "setting")


def overview_sheet(pages: dict[str, Gathered]) -> Sheet:
    """A row for each study, with a link to its page; pages: address -> study."""
    cells = []
    for address, study in pages.items():
        rows, levels = study.rows, densities(study.rows)
        cells.append(
            [
                Cell(f"{rows[0]['model']} on {rows[0]['data']}", link=address),
                " and ".join(dict.fromkeys(row["schedule"] for row in rows)),
                f"{max(row['iterations'] or 0 for row in rows):,}",
                str(len({row["seed"] for row in rows})),
                str(len(levels)),
                percent(min(levels.values())),
                ", ".join(dict.fromkeys(row["setting"] for row in rows)),
            ]
        )
    note = "Each study has a page of its own: nothing is averaged across settings."
    return Sheet("Studies", OVERVIEW_HEADS, cells, note=note, texts=("schedule", "setting"))


def networks_by_data(pages: Sequence[Gathered]) -> str:
    """What several studies are about: `conv2, conv4 on cifar10; lenet_300_100 on mnist`."""
    models: dict[str, dict[str, None]] = {}
    for study in pages:
        models.setdefault(str(study.rows[0]["data"]), {})[str(study.rows[0]["model"])] = None
    return "; ".join(f"{', '.join(names)} on {data}" for data, names in models.items())
