"""What `lth grokking` shows: when each network memorises and when it generalises, in words and as a table."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import percent

from .settings import METHODS

DENSE = "dense"
"""What the ticket at level 0 is called."""
HEADS = ("network", "left", "L1", "L2", "memorises at", "generalises at", "delay", "accuracy")
"""The columns of the table for people."""


def name_of(row: Row) -> str:
    """What the network of a row is called: its arm, at level 0 the dense network."""
    return DENSE if row["level"] == 0 else str(row["arm"])


def meanings(networks: Iterable[str]) -> Mapping[str, str]:
    """What networks are, in words."""
    texts = {network: METHODS.get(network) or meaning(network) for network in networks if network != DENSE}
    return {
        network: f"a mask that prunes {text}" if network in METHODS else text for network, text in texts.items() if text
    }


def delays_by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Network -> its rows of delays.csv that have a delay, at the sparsest level, in the order of results."""
    last = max((row["level"] for row in rows), default=0)
    delays: dict[str, list[Row]] = {}
    for row in rows:
        if row["delay"] is not None and row["level"] in (0, last):
            delays.setdefault(name_of(row), []).append(row)
    return delays


def answer(results: Results) -> list[str]:
    """How long after memorising the ticket generalises, beside the dense network and every control."""
    delays = delays_by_network(results["delays"])
    if not {DENSE, "ticket"} <= delays.keys():
        return ["The dense network or its ticket has not memorised the training split: train longer."]
    texts = {network: _text(rows) for network, rows in delays.items()}
    others = ", ".join(f"{network} {text}" for network, text in texts.items() if network not in (DENSE, "ticket"))
    sentence = (
        f"From learning the training split to learning the test split, the ticket takes {texts['ticket']} iterations,"
        f" the dense network {texts[DENSE]}."
    )
    return [sentence, *([f"Others: {others}."] if others else [])]


def _text(rows: Sequence[Row]) -> str:
    """The median delay of rows in words."""
    delay = statistics.median_high([row["delay"] for row in rows])
    longer = any(row["censored"] and row["delay"] <= delay for row in rows)
    return f"{'more than ' if longer else ''}{delay:,}"


def sheets(results: Results) -> list[Sheet]:
    """When each network of one seed has learnt which split, a row a training."""
    accuracies = {row["run"]: row["final_test_accuracy"] for row in results["results"]}
    networks = list(dict.fromkeys(name_of(row) for row in results["delays"]))
    cells = [_cells(row, accuracies.get(row["run"])) for row in results["delays"]]
    note = "Norms are of the prunable weights that training starts from; accuracy is that on the test split at the end."
    title = "When the training split (memorises) and the test split (generalises) are learnt, in iterations"
    narrow = tuple(head for head in HEADS if head not in ("L1", "accuracy"))
    return [Sheet(title, HEADS, cells, note=note, narrow=narrow, legend=meanings(networks))]


def _cells(row: Row, accuracy: float | None) -> list[str]:
    def count(key: str) -> str:
        return DASH if row[key] is None else f"{row[key]:,}"

    delay = f"> {count('delay')}" if row["censored"] else count("delay")
    norms = (f"{row['l1']:.4g}", f"{row['l2']:.4g}")
    final = DASH if accuracy is None else f"{100 * accuracy:.2f}"
    name = name_of(row)
    return [name, f"{percent(row['density'])}%", *norms, count("memorized_at"), count("generalized_at"), delay, final]
