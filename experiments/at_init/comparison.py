"""Methods of `lth at_init` side by side over several seeds: table, figures and a sentence for each clear comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table
from lth.report.comparison import NARROW, Comparison, bounds, span
from lth.report.export import interval_columns
from lth.report.failures import failed, failures
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, over_seeds, paired
from lth.report.results import Results
from lth.report.searches import searches
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import densities, mean, percent, short

from .answer import paragraphs
from .figures import SEED_FIGURES
from .methods import ABLATIONS, ACCURACY, FAILED, by_method, compared

EXPERIMENT = "at_init"
MEASURED = ("test_accuracy", *ABLATIONS)
WHAT = {
    "test_accuracy": ("0..1", "of the test accuracy at the end of training, of the mask as it is"),
    "shuffle": ("points", "of the accuracy that shuffling the mask adds"),
    "reinit": ("points", "of the accuracy that new weights add"),
}
METHODS_TABLE = Table(
    "methods",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("iterations", int, "iterations", "the length of a training"),
        Column("method", str, "", "the method that found the mask; dense at level 0"),
        Column("setting", str, "", "the setting of the method's rows"),
        Column("level", int, "", "how often iterative pruning would have pruned", at_least=0),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("n", int, "", "the number of distinct trainings", at_least=0),
        Column("diverged", int, "", f"{FAILED}, of ablations too; they are left out", at_least=0),
        *interval_columns({name: WHAT[name] for name in MEASURED}),
        *(replace(column, kind=float) for column in SEARCH.columns),
    ),
    key=("method", "level"),
    meaning="A row for each method and level: test accuracy at the end of training (0..1) and the points that"
    " ablations lie above it, paired by seed, with 95% t intervals over seeds. The search: means over the seeds that"
    " tell it.",
)
HEADS = ("method", "left", "n", "accuracy", *ABLATIONS, "epochs", "TFLOPs", "seconds")


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """The methods side by side, a comparison for each data set, network and length of training.

    Nothing is averaged across settings: where a method has two of them, none is chosen.
    """
    costs = searches(gathered.folders)
    comparisons = []
    for rows in comparable(gathered):
        if len(by_method(rows)) < 2:
            continue
        about = f"{rows[0]['data']}, {rows[0]['model']}, {rows[0]['iterations']:,} iterations"
        if problem := unclear(rows):
            note = f"Methods on {about}, are not set side by side: {problem}."
            comparisons.append(Comparison("methods", about, table=METHODS_TABLE, notes=(note,)))
            continue
        table_rows = method_rows(rows, costs)
        comparisons.append(
            Comparison(
                "methods",
                about,
                [f"{about}:", *paragraphs(rows)],
                METHODS_TABLE,
                table_rows,
                method_sheet(f"Methods on {about}", table_rows),
                SEED_FIGURES,
                Results({"results": rows}, bars=bars),
                frozenset(row["setting"] for row in rows),
            )
        )
    return comparisons


def method_rows(rows: Sequence[Row], costs: Mapping[tuple[str, int], Sequence[Row]]) -> list[Row]:
    """The rows of one comparison, with the columns METHODS_TABLE: the dense network once, then method by method."""
    method_rows = []
    for number, (method, own) in enumerate(by_method(compared(rows)).items()):
        trained = [row for row in own if not failed(row)]
        accuracies = over_seeds(trained, "ticket", ACCURACY)
        changes = {arm: paired(trained, arm, "ticket", ACCURACY) for arm in ABLATIONS}
        for level, density in densities(own).items():
            if level == 0 and number:
                continue
            accuracy = accuracies[level][1] if level in accuracies else None
            here = [row for row in own if row["level"] == level]
            row: Row = {key: here[0][key] for key in ("data", "model", "iterations", "setting")}
            row |= {
                "method": method if level else "dense",
                "level": level,
                "density": density,
                "n": accuracy.n if accuracy else 0,
            }
            row |= {"diverged": failures(here).failed} | (bounds("test_accuracy", accuracy) if accuracy else {})
            for arm, by_level in changes.items():
                if level in by_level:
                    row |= bounds(arm, by_level[level][1].map(lambda share: 100 * share))
            taken = costs.get((row["setting"], level), [])
            method_rows.append(METHODS_TABLE.row(row) | {key: mean(x[key] for x in taken) for key in SEARCH})
    return method_rows


def method_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`method_rows` for people: HEADS, intervals as the mean and half of their width."""
    cells = []
    for row in rows:
        measured = [span(row, "test_accuracy", 100), *(span(row, arm, 1, signed=True) for arm in ABLATIONS)]
        count = f"{row['n']}" + (f" ({row['diverged']} failed)" if row["diverged"] else "")
        took = [DASH] * 3
        if row["search_epochs"] is not None:
            took = [f"{row['search_epochs']:.3g}", f"{row['search_flops'] / 1e12:.3g}", short(row["search_seconds"])]
        cells.append([row["method"], percent(row["density"]), count, *measured, *took])
    text = "weights left and accuracy at the end (%), points above it by ablations (mean ± half of the 95% t interval"
    return Sheet(f"{title}: {text} over seeds), and what finding a mask took", HEADS, cells, narrow=HEADS[:NARROW])


def comparable(gathered: Gathered) -> list[list[Row]]:
    """The rows of each comparison: those of one data set, network and length of training."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in gathered.rows:
        if row["experiment"] == EXPERIMENT:
            groups.setdefault((row["data"], row["model"], row["iterations"]), []).append(row)
    return list(groups.values())


def unclear(rows: Sequence[Row]) -> str:
    """Why methods cannot be set side by side, in words; empty where they can."""
    for method, own in by_method(rows).items():
        settings = sorted({row["setting"] for row in own})
        if len(settings) > 1:
            return f"{method} has the settings {', '.join(settings)}; name one's folder"
    dense: dict[tuple[int, int], set[str]] = {}
    for row in rows:
        if row["level"] == 0:
            dense.setdefault((row["seed"], row["rewind"]), set()).add(row["run"])
    if any(len(runs) > 1 for runs in dense.values()):
        return "their dense networks are different trainings, so they have other recipes"
    return ""
