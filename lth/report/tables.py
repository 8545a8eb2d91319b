"""The tables that every experiment which trains has: results, layers and curves. Scripts rely on their columns."""

import math
import operator
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lth.core.files import in_memory
from lth.core.tables import Column, Row, Rule, Table, head_of
from lth.lottery.iterate import WAYS
from lth.tasks.metrics import NAME, is_measures

STATUSES = ("done", "diverged")
PRODUCTS = ("dense", "sparse", "chain")
RESULTS = Table(
    "results",
    (
        Column("experiment", str, "", "the experiment that the training belongs to", required=True),
        Column("setting", str, "", "a hash of everything that gives the row its meaning, seeds apart", required=True),
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("seed", int, "", "the seed of the replicate", required=True),
        Column("level", int, "", "how often the network was pruned; 0 is dense", required=True, at_least=0),
        Column("arm", str, "", "what was trained: the ticket or a control", required=True),
        Column("draw", int, "", "the number of the draw, for arms that are drawn at random", required=True, at_least=0),
        Column(
            "status",
            str,
            "",
            "`done`, or `diverged` where the loss became NaN or infinite",
            required=True,
            words=STATUSES,
        ),
        Column("density", float, "0..1", "kept / prunable weights", required=True),
        Column("sparsity", float, "0..1", "1 - density"),
        Column("weights_left", int, "weights", "how many prunable weights the mask keeps"),
        Column("rewind", int, "iterations", "the rewind point; 0 is initialisation"),
        Column("schedule", str, "", "how the masks come about, such as `iterative` or `one_shot`", required=True),
        Column(
            "early_stop_iteration",
            int,
            "iterations",
            "the evaluation with the lowest validation loss, or what else decides",
        ),
        Column(
            "early_stop_censored", bool, "", "whether it lies in the last 5% of training: the minimum may come later"
        ),
        Column("early_stop_val_loss", float, "nats", "the validation loss there"),
        Column("early_stop_test_accuracy", float, "0..1", "the test accuracy there"),
        Column("final_train_accuracy", float, "0..1", "the accuracy on the training split after the last iteration"),
        Column("final_val_loss", float, "nats", "the validation loss after the last iteration"),
        Column("final_test_accuracy", float, "0..1", "the test accuracy after the last iteration"),
        Column(
            "grad_norm_init",
            float,
            "",
            "the L2 norm of the gradient before the first iteration",
            at_least=0,
            finite=False,
        ),
        Column(
            "grad_norm_end", float, "", "the L2 norm of the gradient after the last iteration", at_least=0, finite=False
        ),
        Column("iterations", int, "iterations", "the iteration that training ends at"),
        Column("seconds", float, "s", "the time that the training took, wherever it was done"),
        Column("run", str, "", "the fingerprint of the training: its folder in the store"),
        Column("parameter_density", float, "0..1", "parameters that no mask prunes / all of the network", added=True),
        Column("iterate", str, "", "what levels rewind; empty without levels", added=True, words=WAYS),
        Column("test_examples", int, "examples", "the size of the test set", added=True),
        Column("chance", float, "0..1", "the share of the test set that its most frequent class has", added=True),
        Column("seed_init", int, "", "the seed of the initial weights", added=True),
        Column("seed_order", int, "", "the seed of the order of examples", added=True),
        Column("seed_augment", int, "", "the seed of augmentation", added=True),
        Column("seed_mask", int, "", "the seed of random masks", added=True),
        Column("seed_split", int, "", "the seed of the validation split", added=True),
        Column("seed_noise", int, "", "the seed of label noise", added=True),
        Column("data_digest", str, "", "a hash of the data as the network takes them", added=True),
        Column("architecture", str, "", "a hash of the network's code and settings", added=True),
        Column("torch", str, "", "the version of torch that trained it", added=True),
        Column("processor", str, "", "the processor or GPU that trained it", added=True),
        Column("threads", int, "", "the CPU threads that trained it", added=True, at_least=0),
        Column(
            "kernels",
            str,
            "",
            "its products: `dense`, `sparse` in every prunable layer, `mixed`, or a `chain` of sparse layers as one",
            added=True,
            words=("dense", "sparse", "mixed", "chain"),
        ),
    ),
    key=("level", "arm", "draw"),
    meaning="A row for each training of the experiment: level x arm x draw.",
    rules=(
        Rule(("density", "sparsity"), lambda density, sparsity: abs(density + sparsity - 1) < 1e-6, "must add up to 1"),
        Rule(("rewind", "iterations"), operator.le, "the first must be at most the second"),
        Rule(("rewind", "early_stop_iteration"), operator.le, "the first must be at most the second"),
        Rule(("early_stop_iteration", "iterations"), operator.le, "the first must be at most the second"),
        Rule(("metrics", "decided_by"), is_measures, "must name metrics with a direction, and what decides"),
    ),
)
LAYERS = Table(
    "layers",
    (
        Column("run", str, "", "the fingerprint of the training"),
        Column("level", int, "", "how often the network was pruned", at_least=0),
        Column("arm", str, "", "what was trained"),
        Column("draw", int, "", "the number of the draw", at_least=0),
        Column("layer", str, "", "the prunable layer"),
        Column("size", int, "weights", "how many weights it has"),
        Column("kept", int, "weights", "how many of them the mask keeps"),
        Column("density", float, "0..1", "kept / size"),
        Column("kernels", str, "", "its products: `dense`, `sparse`, or `chain` (sparse)", added=True, words=PRODUCTS),
        Column(
            "grad_norm_init",
            float,
            "",
            "the L2 norm of the layer's gradient before the first iteration",
            at_least=0,
            finite=False,
        ),
        Column(
            "grad_norm_end",
            float,
            "",
            "the L2 norm of the layer's gradient after the last iteration",
            at_least=0,
            finite=False,
        ),
    ),
    key=("level", "arm", "draw", "layer"),
    meaning="A row for each prunable layer of each training.",
    rules=(Rule(("kept", "size"), operator.le, "the first must be at most the second"),),
)
CURVES = Table(
    "curves",
    (
        Column("run", str, "", "the fingerprint of the training", required=True),
        Column("iteration", int, "iterations", "the number of iterations done", required=True),
        Column("train_loss", float, "nats", "the mean loss over the batches since the last evaluation"),
        Column("val_loss", float, "nats", "the validation loss"),
        Column("val_accuracy", float, "0..1", "the validation accuracy"),
        Column("test_accuracy", float, "0..1", "the test accuracy, where recipe.test has it measured"),
        Column(
            "grad_norm", float, "", "the L2 norm of the gradient on fixed training examples", at_least=0, finite=False
        ),
        Column("lr", float, "", "the learning rate of the next step", at_least=0),
    ),
    key=("run", "iteration"),
    meaning="A row for each evaluation of each training.",
)

CORRECT = Table(
    "correct",
    (
        Column("run", str, "", "the fingerprint of the training", required=True),
        Column(
            "early_stop", str, "", "of the network at the early stop: a bit for each test example", at_most=math.inf
        ),
        Column(
            "final", str, "", "of the network at the end of training: a bit for each test example", at_most=math.inf
        ),
    ),
    key=("run",),
    meaning="A row for each training: which test examples it classifies correctly, as packed bits, compressed, in"
    " base64. Comparisons of accuracies take the test set's error from it.",
    always=False,
)
TRAINING_TABLES = (RESULTS, LAYERS, CURVES, CORRECT)


TASK_COLUMNS = (
    Column("task", str, "", "what was learnt, where it is not plain classification", added=True),
    Column(
        "metrics",
        str,
        "",
        "its metrics, each with the better direction and its unit; the first is compared",
        added=True,
    ),
    Column("decided_by", str, "", "what decides the early stop: `val_loss`, or a metric of the split", added=True),
)
"""The columns of results.csv that say how the values of a task compare; rows of plain classification need none."""
PLACES = {
    "early_stop_val": "the {metric} on the validation split at the early stop",
    "early_stop_test": "the test {metric} at the early stop",
    "final_train": "the {metric} on the training split after the last iteration",
    "final_val": "the {metric} on the validation split after the last iteration",
    "final_test": "the test {metric} after the last iteration",
}
"""What a column of results.csv begins with that holds a metric, and what it means."""
SPLITS = {"val": "the {metric} on the validation split", "test": "the test {metric}, where recipe.test has it measured"}
"""The same for curves.csv."""


def with_metrics(table: Table, names: Iterable[str]) -> Table:
    """`table` with those columns among `names` that hold metrics of a task, or say how these compare.

    >>> with_metrics(CURVES, ["run", "val_mse"]).columns[-1].meaning
    'the mse on the validation split'
    """
    places = {RESULTS.name: PLACES, CURVES.name: SPLITS}.get(table.name, {})
    further = {column.name: column for column in TASK_COLUMNS} if table.name == RESULTS.name else {}
    pattern = re.compile(f"({'|'.join(places)})_({NAME.pattern})")
    columns = []
    for name in dict.fromkeys(names):
        if name in table.by_name:
            continue
        if name in further:
            columns.append(further[name])
        elif places and (match := pattern.fullmatch(name)):
            meaning = places[match[1]].format(metric=match[2].replace("_", " "))
            columns.append(Column(name, float, "", meaning, added=True))
    return table.plus(*columns) if columns else table


def with_observed(table: Table, rows: Sequence[Row]) -> Table:
    """`table` with the columns of `rows` that it does not declare: those of a task's metrics and of observers."""
    names = dict.fromkeys(name for row in rows for name in row if name not in table.by_name and not in_memory(name))
    table = with_metrics(table, names)
    return table.plus(*(observed(name) for name in names if name not in table.by_name))


def observed(name: str) -> Column:
    """The column of a value that an observer of the training measured, which may be NaN or infinite."""
    return Column(name, float, "", "measured by an observer of the training", added=True, finite=False)


def read_table(table: Table, path: Path) -> list[Row]:
    """The rows of `table` in the CSV file `path`, with the columns of a task's metrics and of observers that it has.

    Columns of observers are read from curves.csv alone. Raises LotteryError as `Table.read` does.
    """
    names = head_of(path)
    table = with_metrics(table, names)
    if table.name == CURVES.name:
        table = table.plus(*(observed(name) for name in dict.fromkeys(names) if name not in table.by_name))
    return table.read(path)
