"""`lth cost TICKET`: the ticket in every form, compared with the dense network, and what it took to find it."""

import copy
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.commands.cost import at_least
from lth.commands.loaded_ticket import NOISE, LoadedTicket, open_ticket
from lth.commands.shrink import input_shape
from lth.compression.cost import Cost, cost
from lth.compression.export import FORMATS, export, load_exported
from lth.compression.onnx import export_onnx
from lth.compression.scoring_cost import score_cost
from lth.compression.search_cost import SearchCost, pace_of, search_cost
from lth.core.errors import LotteryError
from lth.core.weights import load, masked, shared_names, under_all_names
from lth.data.tensors import Split
from lth.pruning.mask import density
from lth.report.cost import print_cost, write_cost
from lth.report.statistics import percent
from lth.report.terminal import Terminal, say

CALIBRATION = 10
"""Training batches that calibrate static int8."""


def ticket_cost(arguments: Namespace, model: Mapping[str, Any] | None, batches: Sequence[int]) -> None:
    """Measures the ticket that the command line names, writes the tables and prints them."""
    loaded = open_ticket(
        arguments.ticket,
        config=arguments.config,
        model=model,
        store=arguments.store,
        weights=arguments.weights,
        level=arguments.level,
        inputs=(input_shape(arguments.input), arguments.classes),
    )
    forms = None if arguments.forms is None else arguments.forms.split(",")
    measured = measure(loaded, accuracy_split(loaded, arguments.examples), forms, batches, arguments.rounds)
    written = write_cost(arguments.to or loaded.path.parent, measured)
    print_cost(title(loaded), measured, search_of(loaded), loaded.level, written)
    if arguments.export:
        for line in export_all(loaded, arguments.export):
            say(Terminal(), line, whole=True)


def accuracy_split(loaded: LoadedTicket, examples: int | None) -> Split | None:
    """The first `examples` (None: all) of the test split; None where an accuracy would mean nothing."""
    if loaded.weights == "rewind" or loaded.data.name == NOISE:
        return None
    test = loaded.data.test
    if examples is None:
        return test
    at_least("examples", examples)
    return Split(test.images[:examples], test.labels[:examples])


def measure(
    loaded: LoadedTicket, test: Split | None, forms: Sequence[str] | None, batches: Sequence[int], rounds: int
) -> Cost:
    """The cost of the ticket, compared with its dense network (untrained where no trained one is kept)."""
    ticket, dense = (copy.deepcopy(loaded.model) for _ in range(2))
    load(ticket, loaded.state, loaded.mask)
    load(dense, loaded.dense if loaded.dense is not None else loaded.ticket.state)
    train = loaded.data.train
    size = max(1, min(loaded.settings.recipe.batch_size, len(train) // CALIBRATION))
    measured = cost(
        dense,
        ticket,
        loaded.data.test.images[: max(batches)],
        mask=loaded.mask,
        test=test,
        calibration=train.images[: CALIBRATION * size].split(size),
        forms=forms,
        batches=batches,
        rounds=rounds,
    )
    if loaded.dense is None:
        for row in measured.rows:  # the accuracy of an untrained dense network is nothing to compare with
            row["test_accuracy_change"] = None
            if row["form"] == "dense":
                row["test_accuracy"] = None
    return measured


def export_all(loaded: LoadedTicket, folder: Path) -> Iterator[str]:
    """Writes the ticket to `folder` in every format and reads it again; a line for each file, with its difference."""
    shared = shared_names(loaded.model.state_dict())
    expected = masked(loaded.state, under_all_names(loaded.mask, shared))
    for form in FORMATS:
        path = export(folder / f"{form}.safetensors", loaded.state, loaded.mask, form, shared)
        state = load_exported(path)
        difference = max(float((state[name] - tensor).abs().max()) for name, tensor in expected.items())
        yield f"{path}: read again, weights {'equal' if difference == 0 else f'within {difference:.2g}'}"
    network, path = copy.deepcopy(loaded.model), folder / "model.onnx"
    load(network, loaded.state, loaded.mask)
    try:
        difference = export_onnx(path, network, loaded.data.test.images[:64])
        yield f"{path}: run by ONNX Runtime, logits within {difference:.2g}"
    except LotteryError as error:
        yield f"{path}: not written: {error}"


def search_of(loaded: LoadedTicket) -> SearchCost | None:
    """What it took to find the ticket; None without the job's rows, and for gradual pruning."""
    if not loaded.rows or loaded.level is None or loaded.rows[0]["schedule"].startswith("gradual"):
        return None
    train, batch_size = loaded.data.train, loaded.settings.recipe.batch_size
    score = None if loaded.pruning is None else score_cost(loaded.pruning, loaded.model, train)
    return search_cost(loaded.rows, loaded.level, pace_of(loaded.model, train, batch_size), score)


def title(loaded: LoadedTicket) -> str:
    """What was measured: network, data, density, level, seed and weights."""
    settings = loaded.settings
    name = settings.model._target_ or settings.model.name
    weights = {"early_stop": "trained, at early stop", "final": "trained", "rewind": "not trained, at the rewind point"}
    level = "" if loaded.level is None else f", level {loaded.level}"
    return (
        f"{name} on {loaded.data.name}, {percent(density(loaded.mask))}% of the weights{level}, seed {settings.seed}"
        f" ({weights[loaded.weights]})"
    )
