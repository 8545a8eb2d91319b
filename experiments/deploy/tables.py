"""The tables of `lth deploy`: tickets and their search, forms, accuracy by bits, and sensitivity by layer."""

from lth.compression.tables import BATCHES, SEARCH, cost_table
from lth.core.tables import Column, Table

DENSE = "dense"
"""The kind of the unpruned network, which has forms, too."""
PLACE = (
    Column("kind", str, "", "the kind of ticket: `weights`, `channels`, N:M, or `dense`", required=True),
    Column("level", int, "", "how often the network was pruned", required=True, at_least=0),
    Column("run", str, "", "the fingerprint of the ticket's training"),
    Column("density", float, "0..1", "kept / all weights of Linear layers and convolutions"),
)
COST = Table(
    "cost",
    (
        *PLACE,
        *cost_table(BATCHES).columns[:-2],
        Column("validation_accuracy", float, "0..1", "accuracy on the validation split"),
        Column(
            "file_difference",
            float,
            "",
            "largest difference of the logits of the file, read again",
            at_least=0,
            finite=False,
        ),
        Column("file", str, "", "the file that holds the form"),
        Column("runs_as", str, "", "the form whose kernels run it"),
        Column("note", str, "", "what the form is, or why it could not be made"),
    ),
    key=("kind", "level", "form"),
    meaning="A row for each ticket and form: its size, its latency beside the dense network's, its accuracy.",
    always=False,
)
GRID = Table(
    "grid",
    (
        *PLACE,
        Column("bits", int, "bits", "what the weights are rounded to; 32: not rounded", required=True),
        Column("nonzero", float, "weights", "parameters that are not zero"),
        Column("test_accuracy", float, "0..1", "test accuracy"),
    ),
    key=("kind", "level", "bits"),
    meaning="A row for each ticket and number of bits.",
    always=False,
)
TICKETS = Table(
    "tickets",
    (
        *PLACE,
        Column("weights_left", float, "weights", "how many weights are kept"),
        Column("test_accuracy", float, "0..1", "test accuracy of the trained ticket"),
        *SEARCH.columns,
    ),
    key=("kind", "level"),
    meaning="A row for each ticket: its accuracy, and what finding it took.",
    always=False,
)
SENSITIVITY = Table(
    "sensitivity",
    (
        Column("layer", str, "", "the layer that is pruned", required=True),
        Column("density", float, "0..1", "what is left of it", required=True),
        Column("accuracy", float, "0..1", "accuracy with the other layers dense, without training again"),
    ),
    key=("layer", "density"),
    meaning="A row for each layer of the dense network and density of that layer alone.",
    always=False,
)
TABLES = (TICKETS, COST, GRID, SENSITIVITY)
