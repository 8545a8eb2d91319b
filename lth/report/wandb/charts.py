"""Line charts and tables in a W&B run that are no metrics: they lie in its summary, and have no row in its history.

`wandb leet` charts every number of the history, so that a table there shows as charts of its rows and columns. W&B's
own custom charts read tables from the summary, wherever they were logged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth.core.files import in_memory
from lth.core.tables import Row
from lth.report.statistics import percent
from lth.report.wandb.levels import Headline

SPEC = "wandb/lineseries/v0"
"""W&B's chart of several lines in one panel, from a table with a column each for x, y and the line's name."""
POINTS = 500
"""The points of a training curve at most: W&B's charts take 10,000 rows, of several trainings."""
CURVE_COLUMNS = ("train_loss", "val_loss", "val_accuracy", "test_accuracy", "grad_norm", "lr")


@dataclass(frozen=True)
class LineChart:
    """Lines in one panel: `y` against `x`, a line for each value of the column `line`, from `rows` of equal columns."""

    key: str
    title: str
    x: str
    y: str
    line: str
    rows: Sequence[Row]


def level_charts(rows: Sequence[Row], headlines: Sequence[Headline]) -> list[LineChart]:
    """A chart for each headline with two levels: the series together against the level.

    rows: what was logged of each level. Against the level, and not the density: W&B's chart has no logarithmic axis,
    and levels are even steps of one.
    """
    charts = []
    for headline in headlines:
        prefix = f"{headline.name}/"
        points = [
            {"level": row["level"], "series": key.removeprefix(prefix), headline.name: value}
            for row in rows
            for key, value in row.items()
            if key.startswith(prefix)
        ]
        if len({point["level"] for point in points}) > 1:
            title, key = f"{headline.title} by level", f"figures/{headline.name}_by_level"
            charts.append(LineChart(key, title, "level", headline.name, "series", points))
    return charts


def training_charts(
    by_series: Mapping[str, Sequence[Row]], curves: Sequence[Row], levels: Sequence[int]
) -> list[LineChart]:
    """A chart for each series: the loss in training at `levels`, one line a level; the table has every curve.

    by_series: series -> its rows of results.csv, of which the first draw is shown; curves: rows of curves.csv. The loss
    is that on validation, without such a split that on train.
    """
    by_run: dict[str, list[Row]] = {}
    for row in curves:
        by_run.setdefault(row["run"], []).append(row)
    loss = "val_loss" if any(row["val_loss"] is not None for row in curves) else "train_loss"
    title = "Validation loss" if loss == "val_loss" else "Training loss"
    further = dict.fromkeys(name for row in curves for name in row if name.startswith(("val_", "test_")))
    charted = dict.fromkeys((*CURVE_COLUMNS, *further))
    width = len(str(max(levels, default=0)))
    charts = []
    for series, results in by_series.items():
        trainings = [row for row in results if row["level"] in levels and row["draw"] == 0]
        points = [
            {"line": f"level {row['level']:0{width}}: {percent(row['density'])}%", "level": row["level"]}
            | {"density": row["density"], "iteration": point["iteration"]}
            | {column: point[column] for column in charted}
            for row in trainings
            for point in thinned(by_run.get(row["run"], []))
        ]
        if points:
            charts.append(LineChart(f"training/{series}", f"{title}: {series}", "iteration", loss, "line", points))
    return charts


def thinned(points: Sequence[Row]) -> Sequence[Row]:
    """Every n-th of `points`, so that at most POINTS are left."""
    return points[:: max(1, math.ceil(len(points) / POINTS))]


def show_table(run: Any, key: str, rows: Sequence[Row]) -> None:
    """Puts `rows` of equal columns into the summary of `run` as a W&B table."""
    run.summary[key] = _table(rows)


def show_chart(run: Any, chart: LineChart) -> None:
    """Adds `chart` to `run`: its table to the summary, and the panel to W&B's own workspace."""
    import wandb

    fields = {"step": chart.x, "lineKey": chart.line, "lineVal": chart.y}
    panel = wandb.plot_table(SPEC, _table(chart.rows), fields, {"title": chart.title, "xname": chart.x})
    register = getattr(run, "_config_callback", None)  # there is no public function that leaves the history alone
    if register is None:
        run.log({chart.key: panel})
        return
    panel.set_key(chart.key)
    register(key=panel.spec.config_key, val=panel.spec.config_value)
    run.summary[panel.spec.table_key] = panel.table


def _table(rows: Sequence[Row]) -> Any:
    import wandb

    columns = [name for name in rows[0] if not in_memory(name)]
    return wandb.Table(columns=[*columns], data=[[row[name] for name in columns] for row in rows])


def pictures(figures: Mapping[Path, str]) -> dict[str, Any]:
    """What W&B logs to show `figures`: images, path -> caption."""
    import wandb

    return {f"figures/{path.stem}": wandb.Image(str(path), caption=text or None) for path, text in figures.items()}
