"""The answer of `lth deploy`: the smallest and the fastest form that is as accurate as the dense network."""

from collections.abc import Mapping, Sequence

from lth.compression.tables import BATCHES
from lth.core.tables import Row
from lth.report.cost import BESIDE_ONE, DENSE_KERNELS, noise_sentence, times_faster
from lth.report.criteria import Criteria
from lth.report.results import Results
from lth.report.statistics import binomial_error, percent

from .tables import DENSE

TIMED = 64
"""The batch size that the answer is about."""


def answer(results: Results) -> list[str]:
    """What the forms of one seed show, or that the training of the dense network diverged."""
    if not results["cost"]:
        return ["The training of the dense network diverged: there is no ticket to measure."]
    margin = results.settings.report.margin if results.settings else Criteria().margin
    return sentences(results["cost"], results.examples, margin)


def sentences(costs: Sequence[Row], examples: Mapping[str, int], margin: float) -> list[str]:
    """The smallest and the fastest form within `margin` points of dense, and that masked zeros save no time.

    Forms are chosen on validation where there is such a split, so that the test set chooses nothing. examples: how many
    each split has, for the error of that choice.
    """
    split, dense, lines = best_forms(costs, margin)
    accuracy = dense[f"{split}_accuracy"]
    error = 100 * binomial_error(accuracy, accuracy, examples[split])
    masked = [row[f"batch_{TIMED}_speedup"] for row in costs if row["form"] == "masked"]
    ran = f" Masked ran at {min(masked):.2f} to {max(masked):.2f}x and counts as 1x: it differs by {BESIDE_ONE}."
    noise = noise_sentence(costs, BATCHES)
    lines.append(f"The binomial error of a difference on {examples[split]:,} {split} examples is {error:.2f} points.")
    return [*lines, DENSE_KERNELS + (ran if masked else ""), *([noise] if noise else [])]


def best_forms(costs: Sequence[Row], margin: float) -> tuple[str, Row, list[str]]:
    """The split that forms are chosen on, the row of the dense network, and the smallest and fastest form in words.

    margin: how many points of accuracy a form may lie below the dense network.
    """
    split = "validation" if any(row["validation_accuracy"] is not None for row in costs) else "test"
    key = f"{split}_accuracy"
    dense = next(row for row in costs if row["kind"] == DENSE and row["form"] == DENSE)
    accurate = [row for row in costs if row[key] is not None and row[key] >= dense[key] - margin / 100 and row["bytes"]]
    smallest = min(accurate, key=lambda row: row["bytes"])
    fastest = max((row for row in accurate if row["runs_as"] == row["form"]), key=lambda row: times_faster(row, TIMED))
    return (
        split,
        dense,
        [
            f"Within {margin:g} points of the dense network on {split}, the smallest file is {_name(smallest)}:"
            f" {dense['bytes'] / smallest['bytes']:.1f} times smaller, at {_accuracy(smallest)}",
            f"The fastest at batch {TIMED} is {_name(fastest)}: {times_faster(fastest, TIMED):.2f} times as fast as"
            f" dense, at {_accuracy(fastest)}",
        ],
    )


def _name(row: Row) -> str:
    if row["kind"] == DENSE:
        return "the dense network" + (f" as {row['form']}" if row["form"] != DENSE else "")
    return f"{row['form']} of {row['kind']} at {percent(row['density'])}%"


def _accuracy(row: Row) -> str:
    change = row["test_accuracy_change"]
    points = "" if change is None else f" ({100 * change:+.2f} points)"
    return f"{100 * row['test_accuracy']:.2f}% of the test set{points}."
