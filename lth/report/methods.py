"""What methods to find a mask gave and what finding it took: their table, as a file and on the terminal."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lth.compression.search_cost import SEARCH, Pace, Scoring, search_cost
from lth.core.tables import Row
from lth.pruning.methods import METHODS, method_of
from lth.report.search import short
from lth.report.statistics import densities, measured, percent

TABLE = [
    "method",
    "setting",
    "seed",
    "level",
    "density",
    "sparsity",
    "arm",
    "draws",
    "diverged",
    "test_accuracy",
    "test_accuracy_std",
    "difference",
    *SEARCH,
]
"""A row a method, level and arm of one seed: the accuracy at the end of training, its mean and standard deviation over
`draws`, and its difference to the method's mask as it is (`ticket`), all 0..1; then what it took to find the mask:
every training that it comes from (of imp those of all levels before), and the taking of its score. An epoch is so many
examples as the training split has: that counts those that a score looks at, too. Level 0 is the dense network, the
same for all methods."""
ACCURACY = "final_test_accuracy"
ABLATIONS = {"shuffle": "shuffling", "reinit": "redrawing weights"}
HEADS = ("method", "density", "accuracy", "shuffle", "reinit", "trainings", "iterations", "TFLOPs", "seconds")
"""The columns of the table as people see it: accuracy in %, the ablations as points above it, then the search."""
SHORT = tuple(name for name in HEADS if name not in ("trainings", "TFLOPs"))
"""Those that a terminal of 80 columns has room for."""


def by_method(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Method -> its rows, methods in the order of METHODS, whatever order they came in."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(method_of(row["schedule"]), []).append(row)
    known = list(METHODS)
    return dict(sorted(found.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known)))


def compared(rows: Sequence[Row]) -> list[Row]:
    """The rows of the levels that every method has: iterative pruning trains those between, too."""
    levels = [{row["level"] for row in own if row["arm"] == "ticket"} for own in by_method(rows).values()]
    common = set.intersection(*levels) if levels else set()
    return [row for row in rows if row["level"] in common]


def table_rows(results: Sequence[Row], pace: Pace, scoring: Mapping[str, Scoring | None]) -> list[Row]:
    """The rows of `table.csv`, with the columns TABLE, from those of `results.csv` of one seed.

    scoring: of each method, what its score takes at one pruning.
    """
    found = []
    for method, own in by_method(results).items():
        levels = densities([row for row in compared(results) if row["setting"] == own[0]["setting"]])
        for level, density in levels.items():
            searched = search_cost(own, level, pace, scoring[method]).columns
            here = [row for row in own if row["level"] == level]
            whole = mean_accuracy(row for row in here if row["arm"] == "ticket")
            for arm in dict.fromkeys(row["arm"] for row in here):
                draws = [row for row in here if row["arm"] == arm]
                about = {"method": method, **{key: here[0][key] for key in ("setting", "seed")}}
                about |= {"level": level, "density": density, "sparsity": 1 - density, "arm": arm}
                found.append(dict.fromkeys(TABLE) | about | _accuracies(draws, whole) | searched)
    return found


def _accuracies(draws: Sequence[Row], whole: float | None) -> Row:
    values = [row[ACCURACY] for row in draws if measured(row[ACCURACY])]
    mean = statistics.fmean(values) if values else None
    return {
        "draws": len(values),
        "diverged": sum(row["status"] == "diverged" for row in draws),
        "test_accuracy": mean,
        "test_accuracy_std": statistics.stdev(values) if len(values) > 1 else None,
        "difference": mean - whole if mean is not None and whole is not None else None,
    }


def mean_accuracy(rows: Iterable[Row]) -> float | None:
    """The mean of ACCURACY over the rows that have it; None where none has."""
    values = [row[ACCURACY] for row in rows if measured(row[ACCURACY])]
    return statistics.fmean(values) if values else None


def cells(table: Sequence[Row], missing: str) -> list[list[str]]:
    """The rows of `table.csv` as people read them, texts for HEADS: a method and density each, dense first."""
    shown: dict[tuple[str, int], dict[str, Row]] = {}
    for row in table:
        method = "dense" if row["level"] == 0 else row["method"]
        shown.setdefault((method, row["level"]), {}).setdefault(row["arm"], row)
    return [_cells(method, arms, missing) for (method, _), arms in shown.items()]


def _cells(method: str, arms: dict[str, Row], missing: str) -> list[str]:
    ticket = arms["ticket"]

    def text(value: float | None, write: Callable[[float], str]) -> str:
        return missing if value is None else write(value)

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


def print_table(table: Sequence[Row], lines: Sequence[str]) -> None:
    """Prints the table and the `lines` below it."""
    title = "Test accuracy at the end (%), points above it by ablations, and what finding the mask took"
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in SHORT:
        shown.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for row in cells(table, "-"):
        shown.add_row(*(text for name, text in zip(HEADS, row, strict=True) if name in SHORT))
    console = Console()
    console.print(shown)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def meanings(methods: Iterable[str]) -> dict[str, str]:
    """What the methods prune by, in words."""
    return {name: METHODS[name].meaning for name in methods if name in METHODS}
