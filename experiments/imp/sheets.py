"""The tables of one seed of `lth imp` for people: accuracy and early stop by level and arm, and the search."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.compared import bracket, compared_column, in_words, is_early, measures_in, metric_in, text_of, when
from lth.report.results import Results
from lth.report.sheet import DASH, Cell, Sheet
from lth.report.statistics import STOP, arms_of, densities, over_draws, percent, short
from lth.tasks.metrics import ACCURACY


def sheets(results: Results) -> list[Sheet]:
    """What a terminal shows, what the page shows, and what finding the tickets took."""
    rows = results["results"]
    return [summary(rows), levels(rows), *searches(results["search"])]


def summary(rows: Sequence[Row]) -> Sheet:
    """A row for each level: density, weights, and each arm's test accuracy @ early-stop iteration. For terminals."""
    column, metric, arms = compared_column(rows), metric_in(rows), arms_of(rows)
    early = is_early(column)
    stops = early and len(arms) <= 3  # wider than 80 columns otherwise
    cells = []
    for level, density in densities(rows).items():
        here = [row for row in rows if row["level"] == level]
        line = metric_cells(here, arms, column)
        if stops:
            iterations = [stop_cell([row for row in here if row["arm"] == arm]) for arm in arms]
            line = [
                Cell(cell if cell == DASH else f"{cell} @{iteration:>7}", bold=cell.bold)
                for cell, iteration in zip(line, iterations, strict=True)
            ]
        cells.append([str(level), f"{percent(density)}%", f"{here[0]['weights_left']:,}", *line])
    title = f"Test {metric.words}{bracket(metric)} {when(column)}" + (" @ its iteration" * stops)
    return Sheet(title, ("level", "density", "weights", *arms), cells, page=False, keys=2)


def levels(rows: Sequence[Row]) -> Sheet:
    """A row for each level: accuracies, early-stop iterations and weights. For the page."""
    column, metric, arms = compared_column(rows), metric_in(rows), arms_of(rows)
    early = is_early(column)
    of_all = any(row["parameter_density"] is not None for row in rows)
    cells = []
    for level, density in densities(rows).items():
        here = [row for row in rows if row["level"] == level]
        stops = [stop_cell([row for row in here if row["arm"] == arm]) for arm in arms] if early else []
        weights = [f"{100 * here[0]['sparsity']:.1f}", f"{here[0]['weights_left']:,}"]
        if of_all:
            share = here[0]["parameter_density"]
            weights.append(DASH if share is None else percent(share))
        cells.append([str(level), percent(density), *metric_cells(here, arms, column), *stops, *weights])
    measured = f"test {metric.words} {when(column)}{bracket(metric)}"
    return Sheet(
        "Results",
        ("level", "density (%)", *arms, *(arms if early else ()), "sparsity (%)", "left", *["of all (%)"] * of_all),
        cells,
        note=levels_note(rows, early),
        groups=[
            ("", 2),
            (measured, len(arms)),
            *([("early-stop iteration", len(arms))] if early else []),
            ("weights", 2 + of_all),
        ],
        legend={arm: meaning(arm) for arm in arms},
        terminal=False,
    )


def levels_note(rows: Sequence[Row], early: bool) -> str:
    """What is to be said of the table."""
    metric = metric_in(rows)
    best, values = ("lowest", "highest")[metric.sign > 0], "Accuracies" if metric == ACCURACY else "Values"
    stop = "The early stop is the evaluation with the lowest validation loss, found after full training."
    sentences = {
        f"Bold marks the {best} {metric.words} of a row.": len(arms_of(rows)) > 1,
        f"{values} are means over draws, with the lowest and the highest draw below them.": any(
            row["draw"] for row in rows
        ),
        in_words(stop, measures_in(rows)): early,
        "≥ marks an early stop in the last 5% of training: the minimum may come later.": any(
            row["early_stop_censored"] for row in rows
        ),
        "of all: the density of all parameters, those that are not prunable too.": any(
            row["parameter_density"] is not None for row in rows
        ),
        "All columns are in results.csv.": True,
    }
    return " ".join(sentence for sentence, holds in sentences.items() if holds)


def metric_cells(rows: Sequence[Row], arms: Sequence[str], column: str) -> list[Cell]:
    """The metric of each arm at one level; the best is bold, a note holds the range and what diverged."""
    metric = metric_in(rows)
    draws = {arm: [row for row in rows if row["arm"] == arm] for arm in arms}
    means = {arm: over_draws(here, column, metric.factor) for arm, here in draws.items()}
    best = max((mean.mean for mean in means.values() if mean), key=lambda value: metric.sign * value, default=None)
    several = sum(mean is not None for mean in means.values()) > 1
    cells = []
    for arm, mean in means.items():
        lost = sum(row["status"] == "diverged" for row in draws[arm])
        if mean is None:
            cells.append(Cell("diverged" if lost else DASH))
            continue
        notes = [f"{text_of(metric, mean.low)} to {text_of(metric, mean.high)}"] if mean.count > 1 else []
        notes += [f"{lost} of {len(draws[arm])} diverged"] if lost else []
        cells.append(Cell(text_of(metric, mean.mean), ", ".join(notes), bold=several and mean.mean == best))
    return cells


def stop_cell(draws: Sequence[Row]) -> str:
    """The mean early-stop iteration, with ≥ where that of a draw is censored."""
    stop = over_draws(draws, STOP)
    return DASH if stop is None else f"{'≥ ' if stop.censored else ''}{stop.mean:,.0f}"


SEARCH_HEADS = ("level", "density (%)", "trainings", "iterations", "epochs", "TFLOPs", "seconds")


def searches(rows: Sequence[Row]) -> list[Sheet]:
    """What finding the ticket of each level took; nothing where that is not known."""
    if not rows:
        return []
    note = (
        "Every training that the level's mask comes from, with dense kernels, and the scoring; the ticket's own"
        " training is not counted. All of it is in search.csv."
    )
    return [Sheet("Search cost", SEARCH_HEADS, search_cells(rows), note=note, terminal=False)]


def search_cells(rows: Sequence[Row]) -> list[list[str]]:
    """The rows of search.csv as text."""
    return [
        [
            str(row["level"]),
            percent(row["density"]),
            str(row["search_trainings"]),
            f"{row['search_iterations']:,}",
            f"{row['search_epochs']:,.3g}",
            f"{row['search_flops'] / 1e12:.3g}",
            short(row["search_seconds"]),
        ]
        for row in rows
    ]
