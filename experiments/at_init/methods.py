"""What methods to find a mask give and what finding it takes: the table, and how people read it."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from lth.compression.search_cost import Pace, ScoreCost, search_cost
from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table
from lth.lottery.names import meaning
from lth.pruning.methods import METHODS, method_of
from lth.report.failures import failed
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import densities, measured, percent, short

FAILED = "how many trainings diverged, or ended no better than the test set's most frequent class"
TABLE = Table(
    "table",
    (
        Column("method", str, "", "the method that found the mask"),
        Column("setting", str, "", "the setting of the method's rows in results.csv", required=True),
        Column("seed", int, "", "the seed of the replicate", required=True),
        Column(
            "level", int, "", "how often iterative pruning would have pruned; 0 is dense", required=True, at_least=0
        ),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("sparsity", float, "0..1", "1 - density"),
        Column("arm", str, "", "the mask as it is (`ticket`), or an ablation"),
        Column("draws", int, "", "how many draws the accuracy is a mean over", at_least=0),
        Column("diverged", int, "", f"{FAILED}; they are left out", at_least=0),
        Column("test_accuracy", float, "0..1", "test accuracy at the end of training, the mean over draws"),
        Column("test_accuracy_std", float, "0..1", "its standard deviation over draws"),
        Column("difference", float, "0..1", "test accuracy less that of the method's mask as it is", at_least=-1),
        *SEARCH.columns,
    ),
    key=("method", "level", "arm"),
    meaning="A row for each method, level and arm. Level 0 is the dense network, the same for all methods. The search"
    " is every training that the mask comes from, of imp those of all levels before, and the scoring; an epoch is as"
    " many examples as the training split has.",
)
ACCURACY = "final_test_accuracy"
ABLATIONS = {"shuffle": "shuffling", "reinit": "redrawing weights"}
HEADS = ("method", "density", "accuracy", "shuffle", "reinit", "trainings", "iterations", "TFLOPs", "seconds")
"""The columns of the table as people see it: accuracy in %, the ablations as points above it, then the search."""
NARROW = tuple(name for name in HEADS if name not in ("trainings", "TFLOPs"))
"""Those that a terminal of 80 columns has room for."""


def by_method(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Method -> its rows, methods in the order of METHODS, whatever order they came in."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(method_of(row["schedule"]), []).append(row)
    known = list(METHODS)
    return dict(sorted(groups.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known)))


def compared(rows: Sequence[Row]) -> list[Row]:
    """The rows of the levels that every method has: iterative pruning trains those between, too."""
    levels = [{row["level"] for row in own if row["arm"] == "ticket"} for own in by_method(rows).values()]
    common = set.intersection(*levels) if levels else set()
    return [row for row in rows if row["level"] in common]


def table_rows(results: Sequence[Row], pace: Pace, scoring: Mapping[str, ScoreCost | None]) -> list[Row]:
    """The rows of `table.csv`, with the columns TABLE, from those of `results.csv` of one seed.

    scoring: of each method, what its score takes at one pruning.
    """
    method_rows = []
    for method, own in by_method(results).items():
        levels = densities([row for row in compared(results) if row["setting"] == own[0]["setting"]])
        for level, density in levels.items():
            searched = search_cost(own, level, pace, scoring[method]).row
            here = [row for row in own if row["level"] == level]
            whole = mean_accuracy(row for row in here if row["arm"] == "ticket")
            for arm in dict.fromkeys(row["arm"] for row in here):
                draws = [row for row in here if row["arm"] == arm]
                about = {"method": method, **{key: here[0][key] for key in ("setting", "seed")}}
                about |= {"level": level, "density": density, "sparsity": 1 - density, "arm": arm}
                method_rows.append(TABLE.row(about) | _accuracies(draws, whole) | searched)
    return method_rows


def _accuracies(draws: Sequence[Row], whole: float | None) -> Row:
    values = [row[ACCURACY] for row in draws if measured(row[ACCURACY]) and not failed(row)]
    mean = statistics.fmean(values) if values else None
    return {
        "draws": len(values),
        "diverged": sum(failed(row) for row in draws),
        "test_accuracy": mean,
        "test_accuracy_std": statistics.stdev(values) if len(values) > 1 else None,
        "difference": mean - whole if mean is not None and whole is not None else None,
    }


def mean_accuracy(rows: Iterable[Row]) -> float | None:
    """The mean of ACCURACY over the rows that have it, of trainings that did not fail; None where none has."""
    values = [row[ACCURACY] for row in rows if measured(row[ACCURACY]) and not failed(row)]
    return statistics.fmean(values) if values else None


def sheets(results: Results) -> list[Sheet]:
    """A row for each method and density, dense first."""
    rows = results["results"]
    arms = {arm: meaning(arm) for arm in dict.fromkeys(row["arm"] for row in rows)}
    note = (
        "Test accuracy is that of the method's mask as it is, at the end of training, in %, a mean over draws;"
        " shuffle and reinit are the points that the ablation lies above it. The other columns are what finding the"
        " mask took, summed over every training that it comes from (of imp those of all levels before), with dense"
        " kernels; FLOPs and seconds include the scoring. Below: what each method prunes, and what each arm trains."
    )
    title = "Test accuracy at the end (%), its change by ablations (points), and the search"
    legend = meanings(by_method(rows)) | arms
    return [Sheet(title, HEADS, cells(results["table"]), note=note, narrow=NARROW, legend=legend)]


def cells(table: Sequence[Row]) -> list[list[str]]:
    """The rows of `table.csv` as people read them, texts for HEADS: a method and density each, dense first."""
    shown: dict[tuple[str, int], dict[str, Row]] = {}
    for row in table:
        method = "dense" if row["level"] == 0 else row["method"]
        shown.setdefault((method, row["level"]), {}).setdefault(row["arm"], row)
    return [_cells(method, arms) for (method, _), arms in shown.items()]


def _cells(method: str, arms: dict[str, Row]) -> list[str]:
    ticket = arms["ticket"]

    def text(value: float | None, write: Callable[[float], str]) -> str:
        return DASH if value is None else write(value)

    ablated = [text(arms[arm]["difference"] if arm in arms else None, lambda x: f"{100 * x:+.2f}") for arm in ABLATIONS]
    return [
        method,
        f"{percent(ticket['density'])}%",
        text(ticket["test_accuracy"], lambda x: f"{100 * x:.2f}"),
        *ablated,
        str(ticket["search_trainings"]),
        f"{ticket['search_iterations']:,}",
        f"{ticket['search_flops'] / 1e12:.3g}",
        short(ticket["search_seconds"]),
    ]


def meanings(methods: Iterable[str]) -> dict[str, str]:
    """What the methods prune by, in words."""
    return {name: METHODS[name].meaning for name in methods if name in METHODS}
