"""Networks side by side over several seeds: when each learns which split, and its delay beside the ticket's."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lth.core.tables import Column, Row, Table
from lth.report.claims.values import derived, interval_of, mean_of
from lth.report.comparison import Comparison, bounds
from lth.report.conditions import SEEDS
from lth.report.export import interval_columns
from lth.report.gather import Gathered, tables_of_jobs
from lth.report.intervals import Interval, Summarize
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet, bracketed
from lth.report.statistics import percent

from .answer import DENSE, delays_by_network, meanings
from .estimators import delay_of
from .tables import DELAYS

EXPERIMENT, TICKET = "grokking", "ticket"
NEVER = "never"
SUMMARY = Table(
    "grokking",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("setting", str, "", "the setting of the rows"),
        Column("level", int, "", "how often was pruned; 0 is the dense network", at_least=0),
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("arm", str, "", "the arm"),
        Column("n", int, "", "the number of seeds", at_least=0),
        Column("memorized_at", int, "iterations", "the median time at which the training split is learnt"),
        Column("generalized_at", int, "iterations", "that of the test split; empty where most seeds never learn it"),
        Column("censored", int, "", "trainings that never learn the test split: their delay is a lower bound"),
        *interval_columns({"delay_ratio": ("", "of the delay over the ticket's, paired by seed, as logarithms")}),
    ),
    key=("setting", "level", "arm"),
    meaning="A row for each network over seeds: medians, and the 95% t interval of its delay over the ticket's.",
)
HEADS = ("network", "left (%)", "n", "memorises", "generalises", "delay / ticket's")
NARROW = tuple(head for head in HEADS if head not in ("left (%)", "n"))


@dataclass(frozen=True)
class Network:
    """One network over seeds. rows: those of delays.csv, with their seeds; ratio: its delay over the ticket's."""

    name: str
    rows: Sequence[Row]
    ratio: Interval | None

    def median(self, column: str) -> int | None:
        """The median of a time, the later of the two in the middle; None where that is never."""
        times = sorted(math.inf if row[column] is None else row[column] for row in self.rows)
        middle = statistics.median_high(times)
        return None if middle == math.inf else int(middle)

    def time(self, column: str) -> str:
        """`median` in words, and how many trainings never come to it."""
        middle, never = self.median(column), sum(row[column] is None for row in self.rows)
        if middle is None:
            return NEVER
        return f"{middle:,}" + (f" ({never} of {len(self.rows)} {NEVER})" if never else "")

    @property
    def times_ticket(self) -> str:
        """The ratio with its interval, open above where a delay is a lower bound."""
        if self.ratio is None:
            return DASH
        ends = (self.ratio.mean, self.ratio.low, self.ratio.high)
        return bracketed(*("" if x is None else f"{x:.2f}" for x in ends))


def over_seeds(delays: Sequence[Row]) -> dict[str, Network]:
    """Name -> network, of the rows of delays.csv of several seeds; each row has its `seed`."""
    by_network = delays_by_network(delays)
    ticket = by_network.get(TICKET, [])
    return {
        name: Network(name, rows, None if name == TICKET else delay_ratio(rows, ticket))
        for name, rows in by_network.items()
    }


def delay_ratio(rows: Sequence[Row], ticket: Sequence[Row]) -> Interval | None:
    """How many times the ticket's delay that of the network in `rows` is, paired by seed; None without a pair.

    Mean and interval are those of logarithms, draws of a seed averaged.
    """
    logarithms: dict[int, list[float]] = {}
    for row in rows:
        for other in (other for other in ticket if other["seed"] == row["seed"]):
            apart = derived(lambda x, y: math.log(x / y), delay_of(row), delay_of(other))
            logarithms.setdefault(row["seed"], []).append(apart if apart is not None else math.nan)
    if not logarithms:
        return None
    interval = interval_of([mean_of(draws) for draws in logarithms.values()])
    low, high = (None if end is None else math.exp(end) for end in (interval.low, interval.high))
    return replace(interval, mean=math.exp(interval.mean), low=low, high=high)


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """The networks of each setting side by side."""
    comparisons = []
    for rows in gathered.settings().values():
        if rows[0]["experiment"] == EXPERIMENT:
            delays = tables_of_jobs(replace(gathered, rows=rows), [DELAYS])[DELAYS.name]
            comparisons.append(_compared(rows, [row for row in delays if row["setting"] == rows[0]["setting"]]))
    return comparisons


def _compared(rows: Sequence[Row], delays: Sequence[Row]) -> Comparison:
    networks = over_seeds(delays)
    first = rows[0]
    about = f"{first['model']} on {first['data']}, {max(row['iterations'] for row in rows):,} iterations"
    return Comparison(
        EXPERIMENT,
        about,
        [f"{about}:", *sentences(networks)],
        SUMMARY,
        [summary_row(first, network) for network in networks.values()],
        sheet(f"When each network learns the training and the test split, {about}", networks),
        results=Results({"results": rows, DELAYS.name: delays}),
        settings=frozenset((first["setting"],)),
    )


def sentences(networks: dict[str, Network]) -> list[str]:
    """Which delays are longer and which shorter than the ticket's, by their intervals."""
    if not {TICKET, DENSE} <= networks.keys():
        return ["The dense network or its ticket has not memorised the training split: train longer."]
    seeds = len({row["seed"] for row in networks[TICKET].rows})
    ticket, dense = (networks[name].time("generalized_at") for name in (TICKET, DENSE))
    lines = [f"Median iteration at which the test split is learnt: {ticket} for the ticket, {dense} for dense."]
    if seeds < SEEDS:
        return [*lines, f"n = {seeds} seeds: no verdict, that takes {SEEDS}."]
    groups = grouped(networks)
    parts = [f"{words} for {', '.join(names)}" for words, names in groups.items() if names]
    how = "By 95% intervals, paired by seed and each for itself"
    return [*lines, f"{how}, the delay is {'; '.join(parts)} (n = {seeds})."]


def grouped(networks: dict[str, Network]) -> dict[str, list[str]]:
    """How a delay compares with the ticket's, in words -> the networks of which that is told."""
    ratios = {name: network.ratio for name, network in networks.items() if network.ratio}
    longer = [name for name, x in ratios.items() if x.low is not None and x.low > 1]
    shorter = [name for name, x in ratios.items() if x.high is not None and x.high < 1]
    rest = [name for name in ratios if name not in (*longer, *shorter)]
    return {"longer than the ticket's": longer, "shorter than it": shorter, "not told from it": rest}


def summary_row(first: Row, network: Network) -> Row:
    """The row of SUMMARY for a network."""
    rows = network.rows
    row = {key: first[key] for key in ("data", "model", "setting")}
    row |= {key: rows[0][key] for key in ("level", "density", "arm")}
    row |= {"n": len({row["seed"] for row in rows}), "censored": sum(bool(row["censored"]) for row in rows)}
    row |= {column: network.median(column) for column in ("memorized_at", "generalized_at")}
    return SUMMARY.row(row | (bounds("delay_ratio", network.ratio) if network.ratio else {}))


def sheet(title: str, networks: dict[str, Network]) -> Sheet:
    """The same for people."""
    cells = [
        [
            network.name,
            percent(network.rows[0]["density"]),
            f"{len({row['seed'] for row in network.rows})}",
            network.time("memorized_at"),
            network.time("generalized_at"),
            "1" if network.name == TICKET else network.times_ticket,
        ]
        for network in networks.values()
    ]
    note = (
        "Memorises, generalises: the median iteration over seeds at which the training and the test split are learnt."
        " Delay: from the one to the other, divided by the ticket's of the same seed; the geometric mean with its 95% t"
        " interval, open above where a network never learns the test split."
    )
    return Sheet(title, HEADS, cells, note=note, narrow=NARROW, legend=meanings(networks))
