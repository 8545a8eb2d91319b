"""A ticket with everything that belongs to it: network, data, trained weights, and those of the dense network.

They come from a job's folder, or from a ticket's file and what it names. Such a folder may be anyone's. A class or
function of the user's is imported, and a variable of the environment is read, only if the user names it, on the command
line or by a configuration given there, and never because a stored file does. The folders that a stored configuration
names are read, where they hold prepared data and trainings; nothing is made or written there.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from lth.core.checked import built
from lth.core.errors import LotteryError, SettingError, reason_of
from lth.core.plain_yaml import read_yaml
from lth.core.rng import rng
from lth.core.tables import Row
from lth.core.weights import Mask, State, masked
from lth.data.tensors import Data, Split
from lth.from_settings import build_model, load_data
from lth.lottery.ticket import Ticket, load_ticket
from lth.pruning.methods import method_of, pruning_of
from lth.pruning.schedule import Pruning
from lth.report.reading import read_results
from lth.settings import TrainingSettings
from lth.store.files import read_run
from lth.store.layout import run_folder

log = logging.getLogger(__name__)

TICKET = "ticket.safetensors"
CONFIG = Path(".hydra") / "config.yaml"
NOISE, NOISE_INPUTS = "noise", 256
"""The name of data that are noise, and how many inputs they are."""
NEEDED = ("data", "model", "recipe", "seed", "seeds", "outputs")
"""The keys of a job's configuration that are read: the rest says nothing about its ticket."""
MOST_VALUES = 2_000
"""How many values these may hold in a stored configuration; those of `lth` hold some 100."""
RUN = re.compile("[0-9a-f]{8,64}")
"""The name of a training in the store: it is also that of a folder."""


@dataclass(frozen=True)
class LoadedTicket:
    """A ticket with its network and data, its mask and weights, and the dense network's weights.

    weights: which weights `state` holds, `early_stop`, `final` or `rewind`; the last where no trained ones are kept.
    dense: None where the dense network's trained weights are not kept. rows: the ticket's setting and seed in the job's
    results.csv; empty without a job. pruning: how the job pruned; None without its configuration.
    """

    path: Path
    settings: TrainingSettings
    model: nn.Module
    data: Data
    ticket: Ticket
    level: int | None
    mask: Mask
    state: State
    weights: str
    dense: State | None
    rows: list[Row] = field(default_factory=list)
    pruning: Pruning | None = None


def open_ticket(
    source: Path,
    *,
    config: Path | None = None,
    model: Mapping[str, Any] | None = None,
    store: Path | None = None,
    weights: str = "early_stop",
    level: int | None = None,
    inputs: tuple[tuple[int, ...], int] = ((3, 32, 32), 10),
) -> LoadedTicket:
    """The ticket at `source`, a job's folder or a ticket's file.

    config, model: what the network is, where the user says so: the file of a configuration, the keys of its group
    `model`. store: the folder with the trainings; None: the one that the job used. level: a level of the job, whose
    mask is taken from its trained weights; None: the ticket's own. inputs: (shape of one input, number of classes),
    for a ticket of which only the network is named; the data are noise then. Raises LotteryError, one line, for
    whatever is missing or does not fit.
    """
    path = source / TICKET if source.is_dir() else source
    if not path.is_file():
        raise LotteryError(f"{source}: there is no {TICKET}; give a job's folder, or a ticket's file")
    if store is not None and not store.is_dir():
        raise LotteryError(f"--store {store}: there is no such folder")
    ticket = load_ticket(path)
    settings = _settings(path, ticket, config, model or {})
    _check_widths(settings.model.widths, ticket)
    data = noise(*inputs) if settings.data.name == NOISE else load_data(settings, keep=config is not None)
    network, _ = build_model(settings, data, settings.seeds.resolved(settings.seed), trained=False)
    ticket.apply(network)  # raises where it does not fit
    rows = _rows(path, ticket) if data.name != NOISE else []
    pruning = _pruning(config or path.parent / CONFIG, rows, confirmed=config is not None)
    mask, state, kind, dense = _weights(path, ticket, rows, store or _store(path, settings), weights, level)
    number = ticket.provenance.get("level") if level is None else level
    return LoadedTicket(path, settings, network, data, ticket, number, mask, state, kind, dense, rows, pruning)


def _weights(
    path: Path, ticket: Ticket, rows: Sequence[Row], store: Path | None, weights: str, level: int | None
) -> tuple[Mask, State, str, State | None]:
    """(mask, weights under it, which weights they are, the dense network's weights) of the ticket, or of a `level`."""
    runs = {row["level"]: row["run"] for row in rows if row["arm"] == "ticket"}
    if level is not None and level not in runs:
        raise LotteryError(f"--level {level}: {path.parent} has {sorted({row['level'] for row in rows}) or 'no rows'}")
    run = ticket.provenance.get("run") if level is None else runs[level]
    kind, state = _trained(store, run, weights)
    _, dense = _trained(store, runs.get(0), kind) if kind != "rewind" else ("", None)
    if state is not None:
        mask = ticket.mask if level is None else {name: state[name] != 0 for name in ticket.mask}
        return mask, masked(state, mask), kind, dense
    if level is not None:
        raise LotteryError(f"--level {level}: its trained weights are not in {store or 'a store'}; give --store")
    return ticket.mask, ticket.state, kind, None


def _settings(path: Path, ticket: Ticket, config: Path | None, model: Mapping[str, Any]) -> TrainingSettings:
    """The settings of the ticket: from the user's configuration, else its job's, else what the ticket itself keeps."""
    beside = path.parent / CONFIG
    source = config or (beside if beside.is_file() else None)
    try:
        if source is not None:
            content = read_yaml(source)
        else:
            content = {key: ticket.provenance[key] for key in ("model", "data") if key in ticket.provenance}
        if isinstance(content, dict) and model and "data" not in content:
            content |= {"data": {"name": NOISE}}
        if not isinstance(content, dict) or "data" not in content or not ("model" in content or model):
            raise LotteryError(f"{path} does not say what its network and data are; name them by --config or --model")
        values = {key: content[key] for key in NEEDED if key in content} | {"experiment": "cost"}
        if config is None:
            _refuse_references(values, source, () if model else ("model",))
            _refuse_stored_code(values, source, () if model else ("model",))
        if model:
            values["model"] = dict(model)
        settings = built(TrainingSettings, _resolved(values))
    except SettingError as error:
        raise LotteryError(f"{source or path}: {error}") from error
    except (OmegaConfBaseException, OSError, ValueError, TypeError, AttributeError) as error:
        raise LotteryError(f"{source or path} cannot be read as a configuration: {reason_of(error)}") from error
    return settings


def _refuse_references(values: Mapping[str, Any], source: Path | None, groups: Sequence[str]) -> None:
    """Raises LotteryError where a stored file refers to something, such as a variable of the reader's environment.

    And where it holds more than settings do, which would take minutes to check.
    """
    count = 0
    for key in (*groups, *(key for key in values if key != "model")):
        for name, value in _leaves(values[key], key):
            count += 1
            if count > MOST_VALUES:
                raise LotteryError(f"{name}: {source or 'the ticket'} holds more values than settings do")
            if isinstance(value, str) and "${" in value:
                text = value if len(value) <= 100 else f"{value[:97]}..."
                raise LotteryError(
                    f"{name}={text} refers to another value: to have it read, confirm it by {_by(source)}"
                )


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name, value) of everything in a value, the keys of mappings too."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield name, key
            yield from _leaves(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value


def _by(source: Path | None) -> str:
    return f"--config {source}" if source else "--config FILE"


def _refuse_stored_code(values: Mapping[str, Any], source: Path | None, groups: Sequence[str]) -> None:
    """Raises LotteryError where a stored file, and not the user, names code to run in `groups` or in the data."""
    for group in (*groups, "data"):
        if target := values[group].get("_target_"):
            raise LotteryError(f"{group} is custom code, {target}: to run it, confirm it by {_by(source)}")


def _check_widths(widths: Sequence[int] | None, ticket: Ticket) -> None:
    """Raises LotteryError for widths that no tensor of the ticket has: it might take hours to build such a network."""
    sizes = {size for tensor in ticket.state.values() for size in tensor.shape}
    if widths and (len(widths) > len(ticket.state) or not set(widths) <= sizes):
        first = next((width for width in widths if width not in sizes), len(widths))
        raise LotteryError(f"the ticket does not fit: model.widths names {first}, which is not a size of its weights")


def _pruning(source: Path, rows: Sequence[Row], confirmed: bool) -> Pruning | None:
    """How the configuration at `source` prunes; of `lth at_init`, which has several methods, by the rows' method.

    None without such a configuration, and, with a line, for a score that is code, unless the user has `confirmed` it.
    """
    try:
        content = read_yaml(source) if source.is_file() else {}
        if not isinstance(content, dict) or "pruning" not in content:
            return None
        values = {"pruning": content["pruning"]}
        if not confirmed:
            _refuse_references(values, source, ())
        pruning = built(Pruning, _resolved(values)["pruning"], "pruning.")
    except SettingError as error:
        raise LotteryError(f"{source}: {error}") from error
    except (OmegaConfBaseException, OSError, ValueError, TypeError, AttributeError) as error:
        raise LotteryError(f"{source}: pruning cannot be read: {reason_of(error)}") from error
    schedule = rows[0]["schedule"] if rows else ""
    method = method_of(schedule)
    if method != schedule and schedule.endswith("_at_init"):
        return pruning_of(method, pruning)
    if ":" in pruning.score and not confirmed:
        log.warning(
            "what the search took is not counted: its score is custom code, %s: to run it, confirm it by %s",
            pruning.score,
            _by(source),
        )
        return None
    return pruning


def _resolved(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with its references resolved: those of a file that the user has confirmed, in others there are none."""
    resolved: Any = OmegaConf.to_container(OmegaConf.create(dict(values)), resolve=True)
    return dict(resolved)


def noise(shape: tuple[int, ...], classes: int) -> Data:
    """NOISE_INPUTS inputs from N(0, 1), for timing and comparing logits without data; accuracies on them mean nothing.

    >>> noise((3, 8, 8), 10).test.images.shape
    torch.Size([256, 3, 8, 8])
    """
    labels = torch.arange(NOISE_INPUTS) % classes
    images = torch.randn(NOISE_INPUTS, *shape, generator=rng(0, "cost", "inputs"))
    split = Split(images, labels)
    return Data(NOISE, split, Split(images[:0], labels[:0]), split, classes)


def _rows(path: Path, ticket: Ticket) -> list[Row]:
    """The rows of the job's results.csv with the ticket's setting and seed."""
    table, about = path.parent / "results.csv", ticket.provenance
    rows = read_results(table) if table.is_file() else []
    return [row for row in rows if row["setting"] == about.get("setting") and row["seed"] == about.get("seed")]


def _store(path: Path, settings: TrainingSettings) -> Path | None:
    """The store that the job used: in its outputs, else in a folder above the ticket."""
    folders = [Path(settings.outputs), *path.resolve().parents]
    return next((folder / "store" for folder in folders if (folder / "store").is_dir()), None)


def _trained(store: Path | None, run: str | None, weights: str) -> tuple[str, State | None]:
    """(which weights, weights of `run`): `weights` where they are kept, else the final ones, else (rewind, None)."""
    if weights == "rewind" or store is None or not isinstance(run, str) or not RUN.fullmatch(run):
        return "rewind", None
    if not (folder := run_folder(store, run)).is_dir():
        return "rewind", None
    states = read_run(folder).states
    kind = weights if weights in states and f"{weights}_mask" not in states else "final"  # that has another mask
    if kind not in states:
        raise LotteryError(f"the run {run} diverged and has no trained weights; give --weights rewind")
    return kind, states[kind]
