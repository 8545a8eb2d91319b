"""`lth cost TICKET`: the ticket in every form, compared with the dense network, and what it took to find it."""

import copy
import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.commands.cost import at_least
from lth.commands.loaded_ticket import NOISE, LoadedTicket, open_ticket
from lth.commands.shrink import input_shape
from lth.compression.cost import Cost, cost
from lth.compression.export import FORMATS, export, load_exported
from lth.compression.onnx import export_onnx
from lth.compression.outputs import difference
from lth.compression.scoring_cost import score_cost
from lth.compression.search_cost import SearchCost, pace_of, search_cost
from lth.core.errors import reason_of
from lth.core.weights import load, masked, shared_names, under_all_names
from lth.data.tensors import Split
from lth.pruning.mask import density
from lth.report.cost import print_cost, write_cost
from lth.report.statistics import percent
from lth.report.terminal import Terminal, say

log = logging.getLogger(__name__)

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
    folder = arguments.to or loaded.path.parent
    measured = measure(
        loaded,
        accuracy_split(loaded, arguments.examples),
        forms,
        batches,
        arguments.rounds,
        progress=lambda measured: write_cost(folder, measured),
    )
    written = write_cost(folder, measured)
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
    return test.take(slice(examples))


def measure(
    loaded: LoadedTicket,
    test: Split | None,
    forms: Sequence[str] | None,
    batches: Sequence[int],
    rounds: int,
    progress: Callable[[Cost], object] = lambda measured: None,
) -> Cost:
    """The cost of the ticket, compared with its dense network (untrained where no trained one is kept).

    progress: called with what there is so far, whenever there is more: a command that is killed has written that.
    """
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
        strict=False,
        progress=lambda measured: progress(_comparable(loaded, measured)),
    )
    return _comparable(loaded, measured)


def _comparable(loaded: LoadedTicket, measured: Cost) -> Cost:
    """`measured` without the accuracy of an untrained dense network: it is nothing to compare with."""
    if loaded.dense is None:
        for row in measured.rows:
            row["test_accuracy_change"] = None
            if row["form"] == "dense":
                row["test_accuracy"] = None
    return measured


def export_all(loaded: LoadedTicket, folder: Path) -> Iterator[str]:
    """Writes the ticket to `folder` in every format and reads it again; a line for each file, with its difference."""
    shared = shared_names(loaded.model.state_dict())
    expected = masked(loaded.state, under_all_names(loaded.mask, shared))
    for form in FORMATS:
        path = folder / f"{form}.safetensors"
        try:
            state = load_exported(export(path, loaded.state, loaded.mask, form, shared))
            gap = difference([state[name] for name in expected], list(expected.values()))
            yield f"{path}: read again, weights {'equal' if gap == 0 else f'within {gap:.2g}'}"
        except Exception as error:  # a format may not know a dtype
            yield f"{path}: not written: {reason_of(error)}"
    network, path = copy.deepcopy(loaded.model), folder / "model.onnx"
    load(network, loaded.state, loaded.mask)
    try:
        gap = export_onnx(path, network, loaded.data.test.images[:64])
        yield f"{path}: run by ONNX Runtime, logits within {gap:.2g}"
    except Exception as error:  # ONNX Runtime may raise anything
        yield f"{path}: not written: {reason_of(error)}"


def search_of(loaded: LoadedTicket) -> SearchCost | None:
    """What it took to find the ticket; None without the job's rows, for gradual pruning, and, with a line, on failure.

    It trains for an iteration, which not every network does on any batch.
    """
    if not loaded.rows or loaded.level is None or loaded.rows[0]["schedule"].startswith("gradual"):
        return None
    train, batch_size = loaded.data.train, loaded.settings.recipe.batch_size
    try:
        score = None if loaded.pruning is None else score_cost(loaded.pruning, loaded.model, train)
        return search_cost(loaded.rows, loaded.level, pace_of(loaded.model, train, batch_size), score)
    except Exception as error:  # a user's network may raise anything
        log.warning("what the search took is not known: %s", reason_of(error))
        return None


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
