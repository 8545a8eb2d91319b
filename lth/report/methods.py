"""What methods to find a mask gave: their table, what it says in a sentence, and both on the terminal."""

import statistics
from collections.abc import Callable, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lth.deploy.search import search_cost
from lth.pruning.methods import METHODS, method_of
from lth.report.seeds.intervals import Interval, t_interval
from lth.report.statistics import binomial_error, densities, measured, percent
from lth.report.tables import Row

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
    "search_trainings",
    "search_iterations",
    "search_epochs",
    "search_flops",
    "search_seconds",
]
"""A row a method, level and arm of one seed: the accuracy at the end of training, its mean and standard deviation over
`draws`, and its difference to the method's mask as it is (`ticket`), all 0..1; then what it took to find the mask, in
trainings, not counting what a score takes. Level 0 is the dense network, the same for all methods."""
ACCURACY = "final_test_accuracy"
SEEDS = 3
"""Fewer decide nothing."""
ABLATIONS = {"shuffle": "shuffling", "reinit": "new weights"}
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


def table_rows(results: Sequence[Row], flops_per_iteration: float, iterations_per_epoch: int) -> list[Row]:
    """The rows of `table.csv`, with the columns TABLE, from those of `results.csv` of one seed."""
    found = []
    for method, own in by_method(results).items():
        levels = densities([row for row in compared(results) if row["setting"] == own[0]["setting"]])
        for level, density in levels.items():
            cost = search_cost(own, level, flops_per_iteration, iterations_per_epoch)
            searched = {
                "search_trainings": cost.trainings,
                "search_iterations": cost.iterations,
                "search_epochs": cost.epochs,
                "search_flops": cost.flops,
                "search_seconds": round(cost.seconds, 3),
            }
            here = [row for row in own if row["level"] == level]
            whole = _mean(row for row in here if row["arm"] == "ticket")
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


def _mean(rows: Iterable[Row]) -> float | None:
    values = [row[ACCURACY] for row in rows if measured(row[ACCURACY])]
    return statistics.fmean(values) if values else None


def effects(rows: Sequence[Row], arm: str) -> dict[str, list[float]]:
    """Method -> points of test accuracy that `arm` lies above the mask as it is, a value a seed.

    The mean over the levels compared, from 1 on, that a seed has both at.
    """
    found: dict[str, list[float]] = {}
    for method, own in by_method(compared(rows)).items():
        for seed in sorted({row["seed"] for row in own}):
            mine = [row for row in own if row["seed"] == seed and row["level"]]
            pairs = [
                [_mean(row for row in mine if (row["level"], row["arm"]) == (level, name)) for name in (arm, "ticket")]
                for level in sorted({row["level"] for row in mine})
            ]
            points = [100 * (ablated - whole) for ablated, whole in pairs if ablated is not None and whole is not None]
            if points:
                found.setdefault(method, []).append(statistics.fmean(points))
    return found


def effect_word(interval: Interval) -> str:
    """Whether an ablation hurts, in a word: where the whole interval lies on one side of 0, of three seeds or more."""
    if interval.n < SEEDS or interval.low is None or interval.high is None:
        return "no verdict"
    return "hurts" if interval.high < 0 else "helps" if interval.low > 0 else "undecided"


def sentence(rows: Sequence[Row], examples: int | None = None) -> str:
    """Whether shuffling and new weights hurt each method, in words; with fewer than three seeds no verdict.

    examples: of the test set, whose binomial error one seed's differences are told with.
    """
    left = [100 * density for level, density in densities(compared(rows)).items() if level]
    parts = []
    for arm, word in ABLATIONS.items():
        told = []
        for method, values in effects(rows, arm).items():
            interval = t_interval(values)
            bounds = f" [{interval.low:+.2f}, {interval.high:+.2f}] {effect_word(interval)}" if interval.n > 1 else ""
            told.append(f"{method} {interval.mean:+.2f}{bounds}")
        if told:
            parts.append(f"{word} changes it by {', '.join(told)}")
    seeds = len({row["seed"] for row in rows})
    if not left or not parts:
        return "There is no ablation to compare with."
    where = ", ".join(percent(density / 100) for density in left)
    text = f"Test accuracy at the end, points on the mean over {where}% of the weights: {'; '.join(parts)}."
    accuracy = _mean(row for row in rows if row["level"] and row["arm"] == "ticket")
    if examples and accuracy is not None:
        error = 100 * binomial_error(accuracy, accuracy, examples)
        text += f" The binomial error of a difference on {examples:,} test examples is {error:.2f} points."
    return text + (f" {_seeds(seeds)}: no verdict, that takes {SEEDS}." if seeds < SEEDS else f" n = {seeds} seeds.")


def _seeds(count: int) -> str:
    return "One seed" if count == 1 else f"{count} seeds"


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
        f"{ticket['search_seconds']:.0f}",
    ]


def print_table(table: Sequence[Row], lines: Sequence[str]) -> None:
    """Prints the table and the `lines` below it."""
    title = (
        "Test accuracy at the end (%), points above it by shuffling and by new weights, and what finding the mask took"
    )
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
