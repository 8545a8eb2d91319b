"""The tables of `lth stability` besides results, layers and curves. Imports no torch."""

from lth.core.tables import Column, Table

SPLITS = ("train", "test")
RECALCULATED, INTERPOLATED = "recalculated", "interpolated"
"""What BatchNorm's statistics are on a line."""
PAIR = (
    Column("setting", str, "", "the setting of the children's rows in results.csv", required=True),
    Column("schedule", str, "", "their schedule there, which names the rewind point", required=True),
    Column("rewind", int, "iterations", "the rewind point that the children start from", required=True),
    Column("level", int, "", "how often the network was pruned; 0 is dense", required=True, at_least=0),
    Column("arm", str, "", "the ticket or a control", required=True),
    Column("first", int, "", "the draw in results.csv of the first child of the pair", required=True, at_least=0),
    Column("second", int, "", "that of the second child", required=True, at_least=0),
)
"""The columns that both tables begin with: which two children a row is about."""


def _measures(ending: str, how: str) -> list[Column]:
    columns = []
    for split in SPLITS:
        error = f"the highest {split} error on the line less the mean of its ends, {how}"
        columns.append(Column(f"{split}_instability{ending}", float, "points", error, at_least=0))
        loss = f"how far the {split} loss rises above the line between its ends, {how}"
        columns.append(Column(f"{split}_loss_barrier{ending}", float, "nats", loss, at_least=0, finite=False))
    return columns


STABILITY = Table(
    "stability",
    (
        *PAIR,
        Column("density", float, "0..1", "kept / prunable weights"),
        Column("total", int, "iterations", "the length of a training, from initialisation"),
        Column("run", str, "", "the training of the first child"),
        Column("other_run", str, "", "the training of the second child"),
        *_measures("", "with BatchNorm's statistics recalculated there"),
        *_measures("_interpolated", "with BatchNorm's statistics interpolated; the same for a network without any"),
        Column(
            "test_instability_error",
            float,
            "points",
            "the standard error that the test set leaves in test_instability, at most",
            at_least=0,
        ),
        Column("distance", float, "", "the L2 distance of the children at the end", at_least=0),
        Column("distance_from_start", float, "", "that of a child from the rewind point, the mean of both", at_least=0),
        Column("disagreement", float, "0..1", "test examples that the children classify differently"),
        Column("line_examples", int, "examples", "the examples of each split on the line; empty for all"),
    ),
    key=("rewind", "level", "arm", "first", "second"),
    meaning="A row for each pair of children of one network at one rewind point. Where a child diverged, nothing is"
    " measured.",
)
LINES = Table(
    "lines",
    (
        *PAIR,
        Column("split", str, "", "train or test", words=SPLITS),
        Column(
            "batch_norm",
            str,
            "",
            "what BatchNorm's statistics are: `recalculated` on the line's training examples, or `interpolated`",
            words=(RECALCULATED, INTERPOLATED),
        ),
        Column("alpha", float, "0..1", "the place on the line: 0 is the first child, 1 the second"),
        Column("loss", float, "nats", "the mean loss there", finite=False),
        Column("accuracy", float, "0..1", "the accuracy there"),
    ),
    key=("rewind", "level", "arm", "first", "second", "split", "batch_norm", "alpha"),
    meaning="A row for each network on the straight line between two children. A network without BatchNorm has the"
    " `recalculated` rows alone.",
)
TABLES = (STABILITY, LINES)
