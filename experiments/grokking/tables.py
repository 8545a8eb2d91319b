"""The table of `lth grokking` besides results, layers and curves. Imports no torch."""

from lth.core.tables import Column, Row, Table

TRAIN, TEST = "train_accuracy", "test_accuracy"
"""The columns of curves.csv that tell when a split is learnt."""
DELAYS = Table(
    "delays",
    (
        Column("level", int, "", "how often was pruned; 0 is the dense network", required=True, at_least=0),
        Column("density", float, "0..1", "kept / prunable weights of the network that is trained"),
        Column("arm", str, "", "the arm in results.csv"),
        Column("draw", int, "", "the number of the repeat", at_least=0),
        Column("run", str, "", "the training, as in results.csv"),
        Column("l1", float, "", "the L1 norm of the prunable weights that training starts from", at_least=0),
        Column("l2", float, "", "their L2 norm", at_least=0),
        Column("memorized_at", int, "iterations", "the first evaluation at which the training split is learnt"),
        Column("generalized_at", int, "iterations", "the first evaluation at which the test split is learnt"),
        Column(
            "delay",
            int,
            "iterations",
            "from the one to the other, at least one evaluation; to the end of the training where the test split is"
            " never learnt: a lower bound",
        ),
        Column("censored", bool, "", "whether the delay is such a lower bound"),
    ),
    key=("level", "arm", "draw"),
    meaning="A row for each training: when it has learnt the training and the test split. A split is learnt where its"
    " accuracy is `threshold` or more.",
)


def delay(curve: list[Row], threshold: float) -> Row:
    """The last five columns of DELAYS by the rows of curves.csv of one training.

    >>> curve = [{"iteration": 0, "train_accuracy": 0.0, "test_accuracy": 0.0}]
    >>> curve += [{"iteration": 10, "train_accuracy": 1.0, "test_accuracy": 0.1}]
    >>> curve += [{"iteration": 20, "train_accuracy": 1.0, "test_accuracy": 1.0}]
    >>> delay(curve, 0.95)
    {'memorized_at': 10, 'generalized_at': 20, 'delay': 10, 'censored': False}
    """
    memorized, generalized = (
        next((row["iteration"] for row in curve if (row[column] or 0.0) >= threshold), None) for column in (TRAIN, TEST)
    )
    if memorized is None:
        return {"memorized_at": None, "generalized_at": generalized, "delay": None, "censored": None}
    iterations = [row["iteration"] for row in curve if row[TEST] is not None]
    step = iterations[1] - iterations[0]
    end = iterations[-1] if generalized is None else generalized
    delay = max(end - memorized, step)
    return {
        "memorized_at": memorized,
        "generalized_at": generalized,
        "delay": delay,
        "censored": generalized is None,
    }
