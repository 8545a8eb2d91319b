"""What W&B gets of each level: one row of numbers, made from rows of the declared tables.

A series is whatever takes the place of an arm: an arm, a method with its arm, a kind of ticket. Its keys are
`<series>/<column>`, means over its draws, and W&B charts them against `level`. Viewers order charts by name, so that
the layers of a network would come before its accuracy: `Headline` is a short name that comes first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lth.core.tables import Row, Table
from lth.report.compared import EARLY, FINAL, all_metric_columns, bracket, measures_in
from lth.report.statistics import mean
from lth.tasks.metrics import ACCURACY, Metric

RESULT_COLUMNS = (
    "early_stop_test_accuracy",
    "final_test_accuracy",
    "early_stop_iteration",
    "early_stop_val_loss",
    "grad_norm_init",
    "grad_norm_end",
)
"""The columns of results.csv that W&B charts. A sweep chooses by `ticket/early_stop_val_loss`: no test set is in it."""
REPEATS = {"draw", "rewind", "first", "second"}
"""Columns that tell rows of one arm at one level apart which W&B averages, or which are a part of a series' name."""
CIRCUMSTANCES = ("density", "sparsity", "line_examples")
"""Columns that say of what a measurement is; W&B has them once, or not at all."""


@dataclass(frozen=True)
class Headline:
    """Charts that come first, `<name>/<series>`: of the `columns` the first that was measured.

    In the alphabet `name` is to come before `layer`. Its axis is W&B's own step, which is the level: `wandb leet` would
    cut the series from a title that names another axis. A series with a slash, such as a method with its arm, has none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    log_y: bool = False


HEADLINES = (
    Headline("accuracy", "Test accuracy", ("early_stop_test_accuracy", "final_test_accuracy")),
    Headline("early_stop", "Early stopping iteration", ("early_stop_iteration",)),
    Headline("grad_norm", "Gradient norm before training", ("grad_norm_init",), log_y=True),
)


def of_task(headline: Headline, metric: Metric) -> Headline:
    """`headline` about the task's own metric in place of accuracy, where networks are compared by another."""
    if headline != HEADLINES[0] or metric == ACCURACY:
        return headline
    title = f"Test {metric.words}{bracket(metric)}"
    return Headline("compared", title, (f"{EARLY}_{metric.name}", f"{FINAL}_{metric.name}"))


def arm_of(row: Row) -> str:
    """The arm of a row: the series where nothing else is declared."""
    return str(row["arm"])


def measured_columns(tables: Iterable[Table]) -> tuple[str, ...]:
    """The columns with measurements of those `tables` that have a row for each arm, or each of REPEATS, at each level.

    >>> from lth.core.tables import Column
    >>> place = (Column("level", int), Column("arm", str), Column("density", float))
    >>> measured_columns([Table("probes", (*place, Column("barrier", float, "nats")), key=("level", "arm"))])
    ('barrier',)
    """
    return tuple(
        dict.fromkeys(
            column.name
            for table in tables
            if {"level", "arm"} <= set(table.key) <= {"level", "arm"} | REPEATS
            for column in table.columns
            if column.kind in (int, float) and column.name not in (*table.key, *CIRCUMSTANCES)
        )
    )


@dataclass(frozen=True)
class LevelMetrics:
    """Which columns W&B charts of each series at each level.

    columns: of results.csv and of the experiment's own tables. headlines: the charts that come first. series: the name
    of a row's series.
    """

    columns: Sequence[str] = RESULT_COLUMNS
    headlines: Sequence[Headline] = HEADLINES
    series: Callable[[Row], str] = arm_of

    def row(self, rows: Sequence[Row], layers: Sequence[Row] = ()) -> Row:
        """The numbers of one level, by the names that dashboards rely on; what was not measured is left out.

        rows: of one level, from any of the tables; a row need not have every column. Density and sparsity are those of
        the first. layers: rows of layers.csv of one network, the ticket.

        >>> rows = [{"level": 1, "arm": "reinit", "density": 0.8, "final_test_accuracy": x} for x in (0.4, 0.6)]
        >>> LevelMetrics(headlines=()).row(rows)
        {'level': 1, 'density': 0.8, 'sparsity': 0.19999999999999996, 'reinit/final_test_accuracy': 0.5}
        """
        first, measures = rows[0], measures_in(rows)
        headlines = [of_task(headline, measures.primary) for headline in self.headlines]
        columns = dict.fromkeys([*self.columns, *all_metric_columns(rows), f"early_stop_{measures.decide}"])
        numbers: Row = {"level": first["level"], "density": first["density"], "sparsity": 1 - first["density"]}
        means = {
            series: {column: mean(row.get(column) for row in members) for column in columns}
            for series, members in self.by_series(rows).items()
        }
        for headline in headlines:
            for series, values in means.items():
                if "/" in series:
                    continue
                known = (values[column] for column in headline.columns if values.get(column) is not None)
                numbers[f"{headline.name}/{series}"] = next(known, None)
        for series, values in means.items():
            numbers |= {f"{series}/{column}": value for column, value in values.items()}
        for layer in layers:
            numbers[f"layer/{layer['layer']}/density"] = layer["density"]
            numbers[f"layer/{layer['layer']}/grad_norm"] = layer["grad_norm_init"]
        return {name: value for name, value in numbers.items() if value is not None}

    def by_series(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """Series -> its rows, in order of appearance."""
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(self.series(row), []).append(row)
        return groups

    def rows(self, rows: Sequence[Row], layers: Sequence[Row] = ()) -> list[Row]:
        """The numbers of every level in `rows`, from dense to sparse; `layers` may be of several levels, too."""
        return [
            self.row(
                [row for row in rows if row["level"] == level], [layer for layer in layers if layer["level"] == level]
            )
            for level in sorted({row["level"] for row in rows})
        ]
