"""Three ways to iterate side by side (Renda et al. 2020): accuracy at equal densities, and what each took to train."""

from collections.abc import Iterator, Mapping, Sequence

from lth.compression.search_cost import chain
from lth.core.errors import LotteryError
from lth.core.tables import Column, Row, Table
from lth.lottery.iterate import MEANINGS, WAYS, way_of
from lth.report.compared import bracket, in_units, metric_columns, metric_in
from lth.report.comparison import Comparison, bounds, span
from lth.report.conditions import SEEDS
from lth.report.export import interval_columns
from lth.report.failures import failed, failures
from lth.report.figures.axes import arm_style
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import ACCURACY_END, Line
from lth.report.gather import Gathered, ways_apart
from lth.report.headline import counted
from lth.report.intervals import Summarize, intervals_of, over_seeds
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import densities, mean, percent
from lth.report.units import differences, units_of

STYLES = {"weights": arm_style("ticket"), "lr": arm_style("restart"), "finetune": arm_style("finetune")}
"""Way -> how it looks: as the arms that begin in the same way."""
SCHEDULES = {"iterative": "iterative", "one_shot": "one-shot"}
"""The schedules that are set side by side, in the order of panels, and what they are called."""
WAYS_TABLE = Table(
    "iterate",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("setting", str, "", "the setting of the rows that the values come from"),
        Column("schedule", str, "", "how the masks come about: `iterative` or `one_shot`"),
        Column("iterate", str, "", "what levels rewind: `weights`, `lr` or `finetune`", words=WAYS),
        Column("level", int, "", "how often the network was pruned; 0 is dense", at_least=0),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("n", int, "", "the number of distinct trainings", at_least=0),
        Column("failed", int, "", "trainings that failed; they are left out", at_least=0),
        Column("pairs", int, "", "the seeds whose difference to iterate=weights is known", at_least=0),
        *interval_columns(
            {
                "test": ("", "of the metric on the test set at the end of training"),
                "less_weights": ("", "of the same less that of iterate=weights, paired by seed; points of a share"),
            }
        ),
        Column("trained_iterations", float, "iterations", "of all trainings that it comes from, its own too; a mean"),
    ),
    key=("schedule", "iterate", "level"),
    meaning="A row for each way to iterate, schedule and level, with 95% t intervals over seeds.",
)


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """A comparison for each group of settings that differ in what levels rewind; a note where it cannot be."""
    comparisons = []
    for settings in ways_apart(gathered):
        by_kind = {(rows[0]["schedule"], way_of(rows[0])): rows for rows in settings}
        first = settings[0][0]
        about = f"{first['data']}, {first['model']}, {first['iterations']:,} iterations"
        if len(by_kind) < len(settings):
            names = ", ".join(rows[0]["setting"] for rows in settings)
            problem = f"several settings ({names}) have the same way"
            note = f"Ways to iterate on {about}, are not set side by side: {problem}."
            comparisons.append(Comparison("iterate", about, table=WAYS_TABLE, notes=(note,)))
            continue
        rows = [row for mine in by_kind.values() for row in mine]
        table_rows = list(way_rows(by_kind))
        comparisons.append(
            Comparison(
                "iterate",
                about,
                [f"{about}:", *sentences(table_rows, rows)],
                WAYS_TABLE,
                table_rows,
                way_sheet(f"Ways to iterate on {about}", table_rows, rows),
                (WAYS_FIGURE,),
                Results({"results": rows}, bars=bars),
                frozenset(mine[0]["setting"] for mine in settings),
            )
        )
    return comparisons


def way_rows(by_kind: Mapping[tuple[str, str], Sequence[Row]]) -> Iterator[Row]:
    """The rows of WAYS_TABLE, from the results by (schedule, way), schedule by schedule."""
    tickets = {kind: [row for row in rows if row["arm"] == "ticket"] for kind, rows in by_kind.items()}
    column = metric_columns(next(iter(tickets.values())))[1]
    for schedule, way in sorted(tickets, key=lambda kind: ([*SCHEDULES, kind[0]].index(kind[0]), WAYS.index(kind[1]))):
        mine = tickets[schedule, way]
        trained = [row for row in mine if not failed(row)]
        factor = metric_in(mine).factor
        values, apart = over_seeds(trained, "ticket", column), {}
        if way != WAYS[0] and (schedule, WAYS[0]) in tickets:
            others = units_of([row for row in tickets[schedule, WAYS[0]] if not failed(row)], "ticket", column)
            units = units_of(trained, "ticket", column)
            pairs = {level: differences(units[level], others.get(level, {})) for level in units if level}
            apart = intervals_of(trained, pairs)
        for level, density in densities(mine).items():
            here = [row for row in mine if row["level"] == level]
            row: Row = {key: here[0][key] for key in ("data", "model", "setting")}
            row |= {"schedule": schedule, "iterate": way, "level": level, "density": density}
            row |= {"n": values[level][1].n if level in values else 0, "failed": failures(here).failed}
            row |= bounds("test", values[level][1]) if level in values else {}
            if level in apart:
                row |= bounds("less_weights", apart[level][1].times(factor)) | {"pairs": apart[level][1].n}
            yield WAYS_TABLE.row(row, trained_iterations=mean(trained_iterations(mine, x) for x in here))


def trained_iterations(tickets: Sequence[Row], row: Row) -> int | None:
    """The iterations of all trainings that the network of `row` comes from, its own too; None where one has no row."""
    try:
        trained = [*chain([ticket for ticket in tickets if ticket["seed"] == row["seed"]], row["level"]), row]
    except LotteryError:
        return None
    return int(row["rewind"] + sum(one["iterations"] - one["rewind"] for one in trained))


def way_sheet(title: str, table_rows: Sequence[Row], rows: Sequence[Row]) -> Sheet:
    """`way_rows` for people: a row for each schedule and level, side by side what every way gave, and what it took."""
    metric, ways = metric_in(rows), [way for way in WAYS if any(row["iterate"] == way for row in table_rows)]
    places: dict[tuple[str, int], dict[str, Row]] = {}
    for row in table_rows:
        places.setdefault((row["schedule"], row["level"]), {})[row["iterate"]] = row
    counts = [{way: _count(row["trained_iterations"]) for way, row in by_way.items()} for by_way in places.values()]
    alike = all(len(set(took.values())) == 1 for took in counts)  # then one column says it of all
    cells: list[list[str]] = []
    for ((schedule, level), by_way), trained in zip(places.items(), counts, strict=True):
        if level == 0 and cells:  # one dense network for all
            continue
        first = next(iter(by_way.values()))
        count = min(row["n"] for row in by_way.values())
        lost = sum(row["failed"] for row in by_way.values())
        name = SCHEDULES.get(schedule, schedule) if level else "dense"
        shown = [span(by_way[way], "test", metric.factor) if way in by_way else DASH for way in ways]
        took = [next(iter(trained.values()))] if alike else [trained.get(way, DASH) for way in ways]
        cells.append(
            [name, percent(first["density"]), f"{count} ({lost} failed)" if lost else f"{count}", *shown, *took]
        )
    narrow = ("schedule", "left", "n", *ways)
    heads = [*narrow, *(["iterations"] if alike else [f"{way}: iterations" for way in ways])]
    what = f"weights left (%), test {metric.words}{bracket(metric)} at the end (mean ± half of the 95% t interval)"
    note = "Iterations: of all trainings that a network comes from, its own too. " + meanings(ways)
    return Sheet(f"{title}: {what}, and the iterations trained for it", heads, cells, note=note, narrow=narrow)


def sentences(table_rows: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """For each schedule how the ways compare at the sparsest level that all have, and what each took; then n."""
    metric, counts = metric_in(rows), []
    for schedule in dict.fromkeys(row["schedule"] for row in table_rows):
        by_way = {
            way: [row for row in table_rows if (row["schedule"], row["iterate"]) == (schedule, way)] for way in WAYS
        }
        levels = [{row["level"] for row in mine} for mine in by_way.values() if mine]
        if len(levels) < 2 or not (last := max(set.intersection(*levels), default=0)):
            continue
        here = {way: row for way, mine in by_way.items() for row in mine if row["level"] == last}
        counts += [row["n"] if row["pairs"] is None else row["pairs"] for row in here.values()]
        apart = [_difference(way, row) for way, row in here.items() if row["less_weights_mean"] is not None]
        took = ", ".join(f"{way} {_count(row['trained_iterations'])}" for way, row in here.items())
        left = percent(next(iter(here.values()))["density"])
        rewound = f"test {metric.words} at the end differs from that of iterate=weights by {' and '.join(apart)}"
        compared = f"{rewound} ({in_units(metric)}); " if apart else ""
        name = SCHEDULES.get(schedule, schedule).capitalize()
        yield f"{name}, at {left}% of the weights: {compared}iterations: {took}."
    if counts:
        few = f"{counted(min(counts), 'seed')}: no verdict, that takes {SEEDS}." if min(counts) < SEEDS else ""
        yield few or f"n = {min(counts)} seeds; 95% t intervals, paired by seed."


def _count(iterations: float | None) -> str:
    return DASH if iterations is None else f"{iterations:,.0f}"


def _difference(way: str, row: Row) -> str:
    """How a way compares with rewinding the weights, in words."""
    return f"{span(row, 'less_weights', 1, signed=True)} with iterate={way}"


def meanings(ways: Sequence[str]) -> str:
    """What the ways are, in a sentence."""
    text = "; ".join(f"{way}: {MEANINGS[way]}" for way in ways)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def way_lines(rows: Sequence[Row]) -> list[Line]:
    """The tickets of each way, a line a way."""
    lines = []
    for way in WAYS:
        if mine := [row for row in rows if row["arm"] == "ticket" and way_of(row) == way]:
            lines.append(Line(way, "ticket", STYLES[way], mine))
    return lines


def by_schedule(rows: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """Title of a panel -> the rows of its schedule."""
    facets = {words: [row for row in rows if row["schedule"] == schedule] for schedule, words in SCHEDULES.items()}
    return {words: mine for words, mine in facets.items() if mine}


WAYS_FIGURE = LineFigure(
    "renda2020_ways",
    "Ways to iterate",
    "Test accuracy at the end of training against the percentage of prunable weights that are left, by what levels"
    " rewind, as in Figures 1 and 2 of Renda et al. 2020; a panel a schedule.",
    (ACCURACY_END,),
    lines=way_lines,
    facets=by_schedule,
    legend=lambda lines: "; ".join(f"{line.label}: {MEANINGS[line.label]}" for line in lines),
    shared=True,
    height=2.6,
)
