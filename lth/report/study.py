"""A study: one setting over its seeds, with its one-shot counterpart where there is one. Its page and its sentence."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.compared import bracket, compared_column, in_words, is_early, measures_in, metric_in, text_of
from lth.report.criteria import Criteria
from lth.report.differences import difference_rows, difference_sheet
from lth.report.early_stop import means
from lth.report.export import BARS
from lth.report.facts import draws_of_controls, job_facts
from lth.report.failures import Failures, failures
from lth.report.figures.captions import about_seeds, seeds_in
from lth.report.gather import Gathered, pairs_by_schedule
from lth.report.headline import SCAN, schedule_words, setting_title
from lth.report.intervals import Interval, Summarize
from lth.report.sheet import DASH, Cell, Sheet
from lth.report.statistics import STOP, arms_of, densities, percent
from lth.report.verdict import Verdict, verdicts
from lth.tasks.metrics import ACCURACY, CLASSIFICATION, Measures, Metric

ANSWERS = {"better": "than", "equivalent": "to", "no worse": "than", "worse": "than"}


def legend(criteria: Criteria, measures: Measures = CLASSIFICATION) -> dict[str, str]:
    """The words of verdicts, and what they mean."""
    metric = measures.primary
    unit = " points" if metric.is_share else "%"
    side = "below" if metric.better == "higher" else "above"
    better = "more accurate" if metric == ACCURACY else "better"
    return {
        "matching": f"the ticket's test {metric.words} is at most {criteria.margin:g}{unit} {side} the dense network's",
        "winning": f"no seed's ticket failed, it is matching, its early stop comes before {criteria.slower:g} times the"
        f" dense network's, and it is {better} than reinit and shuffle",
        "undecided": "the 95% intervals leave it open, or a control was not run",
    }


def studies(gathered: Gathered) -> list[Gathered]:
    """The results of each study: a setting, together with its one-shot counterpart where there is one."""
    settings, counterparts = gathered.settings(), dict(pairs_by_schedule(gathered))
    paired = set(counterparts.values())
    return [
        replace(gathered, rows=[*rows, *settings.get(counterparts.get(setting, ""), [])])
        for setting, rows in settings.items()
        if setting not in paired
    ]


def study_sheets(study: Gathered, bars: str) -> list[Sheet]:
    """The table of a study over its seeds, with the verdicts, and the paired differences of each of its settings."""
    settings = list(study.settings().values())
    differences = [
        replace(sheet, folded=True)
        for rows in settings
        if (table := difference_rows(rows, study.criteria)) and (sheet := difference_sheet(setting_title(rows), table))
    ]
    return [results_sheet(study.rows, settings[0], BARS[bars], study.criteria), *differences]


def columns_of(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """(label, rows) of every arm of every schedule: the columns of the table."""
    columns = []
    for once in (False, True):
        of_schedule = [row for row in rows if (row["schedule"] == "one_shot") == once]
        for arm in arms_of(of_schedule):
            mine = [row for row in of_schedule if row["arm"] == arm]
            columns.append((f"{arm}, one-shot" if once and len(of_schedule) < len(rows) else arm, mine))
    return columns


def results_sheet(rows: Sequence[Row], main: Sequence[Row], bars: Summarize, criteria: Criteria | None = None) -> Sheet:
    """A row for each level: accuracy and early stop of every arm with its interval, and the verdict on the ticket.

    rows: of the study; main: those of the setting that the verdicts are about.
    """
    columns, compared = columns_of(rows), compared_column(rows)
    metric, early = metric_in(rows), is_early(compared)
    words = {level: verdict_cell(verdict) for level, verdict in verdicts(main, criteria).items()}
    shown = [compared, STOP] if early else [compared]
    by_column = [[means(mine, mine[0]["arm"], column, bars) for _, mine in columns] for column in shown]
    usual = usual_count(x for by_level in by_column for intervals in by_level for _, x in intervals.values())
    of_all = parameter_densities(rows)
    cells = []
    for level, density in sorted(densities(rows).items()):
        line: list[str] = [str(level), percent(density), *([of_all.get(level, DASH)] if of_all else [])]
        line += [words.get(level, Cell(""))] if words else []
        for column, by_level in zip(shown, by_column, strict=True):
            for (_, mine), intervals in zip(columns, by_level, strict=True):
                lost = failures(row for row in mine if row["level"] == level)
                interval = intervals.get(level, (0.0, None))[1]
                line.append(interval_cell(interval, column, usual, lost if column == compared else None, metric))
        cells.append(line)
    of, unit = metric.words, bracket(metric)
    names = [f"Test {of} at early stop{unit}", "Early-stop iteration"] if early else [f"Final test {of}{unit}"]
    labels = [label for label, _ in columns]
    groups = [("", 2 + bool(of_all) + bool(words)), *((name, len(columns)) for name in names)]
    heads = ["level", "density (%)", *(["of all (%)"] if of_all else []), *(["verdict"] if words else [])]
    heads += labels * len(names)
    legend = {row["arm"]: meaning(row["arm"]) for _, (row, *_) in columns}
    note = results_note(rows, early, bars, usual, criteria or Criteria() if words else None)
    return Sheet("Results", heads, cells, note=note, groups=groups, texts=("verdict",), legend=legend)


def verdict_cell(verdict: Verdict) -> Cell:
    """The verdict on a ticket; below it how its accuracy compares with the dense network's, and the reasons."""
    answer = "" if verdict.answer == "undecided" else f"{verdict.answer} {ANSWERS[verdict.answer]} dense"
    return Cell(verdict.short, note="; ".join(filter(None, [answer, verdict.why])))


def parameter_densities(rows: Sequence[Row]) -> dict[int, str]:
    """Level -> the density of all parameters of the ticket's network in percent, where rows have it."""
    tickets = [row for row in rows if row["arm"] == "ticket" and row.get("parameter_density") is not None]
    return {row["level"]: percent(row["parameter_density"]) for row in tickets}


def results_note(rows: Sequence[Row], early: bool, bars: Summarize, usual: int, criteria: Criteria | None) -> str:
    """What is to be said of the table; criteria: of its verdicts, None where it has none."""
    parts = [about_seeds(rows, bars).replace("error bars", "the intervals below them").strip()]
    if " to " in seeds_in(rows):
        parts.append(f"n = {usual} where a cell says nothing else.")
    if early:
        stop = "The early stop is the evaluation with the lowest validation loss, found after full training."
        parts.append(in_words(stop, measures_in(rows)))
    if any(row["early_stop_censored"] for row in rows):
        parts.append(
            "≥ marks a lower bound, without an interval: a seed's early stop lies in the last 5% of training, so its"
            " minimum may come later."
        )
    if criteria:
        parts += [f"{word.capitalize()}: {what}." for word, what in legend(criteria, measures_in(rows)).items()]
        parts.append(SCAN)
    if parameter_densities(rows):
        parts.append("of all: the density of all parameters, those that are not prunable too.")
    return " ".join(parts)


def usual_count(intervals: Iterable[Interval]) -> int:
    """The number of distinct trainings that most of `intervals` have."""
    counts = Counter(interval.n for interval in intervals).most_common(1)
    return counts[0][0] if counts else 0


def interval_cell(
    interval: Interval | None, column: str, usual: int, lost: Failures | None = None, metric: Metric = ACCURACY
) -> Cell:
    """Mean and interval; accuracies in percent, a lower bound after ≥, n where it is another than usual, failures."""
    failures_note = str(lost) if lost and lost.failed else ""
    if interval is None:
        return Cell(DASH, failures_note)

    def text(value: float) -> str:
        return f"{value:,.0f}" if column == STOP else text_of(metric, metric.factor * value)

    bounded = interval.low is not None and interval.high is not None
    notes = [f"{text(interval.low)} to {text(interval.high)}"] if bounded else []  # type: ignore[arg-type]
    if interval.n != usual:
        notes.append(f"n = {interval.n}")
    notes += [failures_note] if failures_note else []
    return Cell(("≥ " if interval.censored else "") + text(interval.mean), ", ".join(notes))


def study_facts(rows: Sequence[Row]) -> dict[str, str]:
    """What was run, as far as the rows tell."""
    dense = [row for row in rows if row["level"] == 0] or list(rows)
    facts = job_facts([*dense[:1], *rows])
    facts.pop("seed")
    draws = draws_of_controls(rows)
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    settings = dict.fromkeys(f"{row['setting']} ({schedule_words(row)})" for row in rows)
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
                " and ".join(dict.fromkeys(map(schedule_words, rows))),
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
