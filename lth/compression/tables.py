"""The tables of what tickets cost, and of what it took to find them. Imports no torch."""

from collections.abc import Sequence
from dataclasses import replace

from lth.core.tables import Column, Table

BATCHES = (1, 64)
"""The batch sizes that are timed by default."""
COST = Table(
    "cost",
    (
        Column("form", str, "", "the form that the ticket is kept or run in, or `dense`", required=True),
        Column("parameters", int, "", "all parameters: weights, biases and those of normalisation layers", at_least=0),
        Column("nonzero", int, "", "parameters that are not zero", at_least=0),
        Column("sparsity", float, "0..1", "zero weights / weights of Linear layers, convolutions and other products"),
        Column(
            "compression_ratio",
            float,
            "",
            "parameters of the dense network / `nonzero` (ShrinkBench)",
            at_least=0,
            finite=False,
        ),
        Column("flops", int, "FLOPs", "of one input with dense kernels; 1 multiply-add = 2 FLOPs"),
        Column("sparse_flops", float, "FLOPs", "of one input if every zero weight were skipped"),
        Column(
            "theoretical_speedup",
            float,
            "",
            "FLOPs of the dense network / `sparse_flops` (ShrinkBench)",
            at_least=0,
            finite=False,
        ),
        Column("bytes", int, "bytes", "size of the file"),
        Column("gzip_bytes", int, "bytes", "size of the file after gzip"),
        Column("test_accuracy", float, "0..1", "test accuracy of the form"),
        Column("test_accuracy_change", float, "-1..1", "test accuracy less that of the dense network"),
        Column(
            "difference", float, "", "largest difference of its logits from those of `masked`", at_least=0, finite=False
        ),
        Column("runs_as", str, "", "the form whose latency this one has: itself, or `masked` after unpacking"),
        Column("note", str, "", "what the form does, or why it could not be made"),
    ),
    key=("form",),
    meaning="A row for the dense network and each form of the ticket. `cost_table` adds the latencies by batch size.",
)
LAYER_COST = Table(
    "cost_layers",
    (
        Column("layer", str, "", "the name of the module"),
        Column("kind", str, "", "the class of the module"),
        Column("shape", str, "", "the shape of its weight, as 300x784"),
        Column("parameters", int, "", "all parameters of the module", at_least=0),
        Column("nonzero", int, "", "parameters that are not zero", at_least=0),
        Column("kept", int, "weights", "weights that the masks of the module keep; empty for one without a mask"),
        Column("density", float, "0..1", "kept / size of the masks"),
        Column("sparsity", float, "0..1", "1 - density"),
        Column("flops", int, "FLOPs", "of the products with its weights, for one input with dense kernels"),
        Column("sparse_flops", float, "FLOPs", "of one input if every zero weight were skipped"),
    ),
    key=("layer",),
    meaning="A row for each module of the ticket that has parameters.",
)
SEARCH = Table(
    "search",
    (
        Column("search_trainings", int, "", "trainings that the ticket comes from, its own not counted", at_least=0),
        Column("search_iterations", int, "iterations", "the iterations of those trainings"),
        Column("search_epochs", float, "epochs", "examples that they and the scores took / training examples"),
        Column("search_flops", float, "FLOPs", "forward and backward passes with dense kernels, and the scores"),
        Column("search_seconds", float, "s", "the time of those trainings and scores on their machine"),
    ),
    meaning="What it took to find a ticket. These columns are part of other tables.",
)


def cost_table(batches: Sequence[int]) -> Table:
    """COST with the latencies of each batch size before its last two columns.

    >>> cost_table([64]).names[-6:]
    ['batch_64_seconds', 'batch_64_low', 'batch_64_high', 'batch_64_speedup', 'runs_as', 'note']
    """
    timed = [
        column
        for size in batches
        for column in (
            Column(f"batch_{size}_seconds", float, "s", f"median latency of a forward pass of {size} inputs"),
            Column(f"batch_{size}_low", float, "s", "lower quartile of the latency"),
            Column(f"batch_{size}_high", float, "s", "upper quartile of the latency"),
            Column(f"batch_{size}_speedup", float, "", "how many times faster than the dense network", at_least=0),
        )
    ]
    return replace(COST, columns=(*COST.columns[:-2], *timed, *COST.columns[-2:]))
