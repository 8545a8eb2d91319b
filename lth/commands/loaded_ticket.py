"""A ticket with all that belongs to it: its network, data, trained weights, and the dense network's.

They come from a job's folder, or from a ticket's file and what it names. A class or function of the user's own is
imported only where the user names it, on the command line or by a configuration given there: never because a stored
file says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped,unused-ignore]  # it has no types of its own
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from lth.api import build_model, load_data
from lth.core.errors import LotteryError
from lth.core.rng import rng, seeds_from
from lth.core.tables import Row
from lth.core.weights import Mask, State, masked
from lth.data.tensors import Data, Split
from lth.lottery.ticket import Ticket, load_ticket
from lth.pruning.methods import method_of, pruning_of
from lth.pruning.schedule import Pruning
from lth.report.reading import read_results
from lth.settings import TrainingSettings
from lth.store.files import read_run

TICKET = "ticket.safetensors"
CONFIG = Path(".hydra") / "config.yaml"
NOISE = "noise"
WEIGHTS = ("early_stop", "final", "rewind")


@dataclass(frozen=True)
class LoadedTicket:
    """A ticket's network and data, its mask and weights, and the dense network's weights.

    weights: which they are, one of WEIGHTS: `rewind` where no trained ones are kept. dense: None where the dense
    network's trained weights are not kept. rows: of the job's results.csv, empty where there is none.
    pruning: how the job pruned, where its configuration is there.
    """

    path: Path
    spec: TrainingSettings
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
    place: Path,
    *,
    config: Path | None = None,
    model: Mapping[str, Any] | None = None,
    store: Path | None = None,
    weights: str = "early_stop",
    level: int | None = None,
    inputs: tuple[tuple[int, ...], int] = ((3, 32, 32), 10),
) -> LoadedTicket:
    """The ticket at `place`, a job's folder or a ticket's file.

    config, model: what the network is, where the user says so: a configuration's file, the keys of its group `model`.
    store: where trainings are kept, else the one that the job used. level: another one of the job, by the weights that
    it was trained to. inputs: (shape of one, number of classes) where only the network is named, and no data: they are
    noise then. Raises LotteryError, of one line, for all that is missing or does not fit.
    """
    path = place / TICKET if place.is_dir() else place
    if not path.is_file():
        raise LotteryError(f"{place}: there is no {TICKET}; give a job's folder, or a ticket's file")
    ticket = load_ticket(path)
    spec = _spec(path, ticket, config, model or {})
    data = noise(*inputs) if spec.data.name == NOISE else load_data(spec)
    network, _ = build_model(spec, data, seeds_from(spec.seed, **vars(spec.seeds)))
    ticket.apply(network)  # names what does not fit
    rows = _rows(path, ticket) if data.name != NOISE else []
    pruning = _pruning(config or path.parent / CONFIG, rows)
    if level is not None and not any(row["level"] == level for row in rows):
        raise LotteryError(f"--level {level}: {path.parent} has {sorted({row['level'] for row in rows}) or 'no rows'}")
    runs = {row["level"]: row["run"] for row in rows if row["arm"] == "ticket"}
    own = ticket.provenance.get("run") if level is None else runs[level]
    if store is not None and not store.is_dir():
        raise LotteryError(f"--store {store}: there is no such folder")
    folder = store or _store(path, spec)
    kind, state = _trained(folder, own, weights)
    _, dense = _trained(folder, runs.get(0), kind) if kind != "rewind" else ("", None)
    here = ticket.provenance.get("level") if level is None else level
    if state is None:
        if level is not None:
            raise LotteryError(f"--level {level}: its trained weights are not in {folder or 'a store'}; say --store")
        return LoadedTicket(
            path, spec, network, data, ticket, here, ticket.mask, ticket.state, kind, None, rows, pruning
        )
    mask = ticket.mask if level is None else {name: state[name] != 0 for name in ticket.mask}
    found = masked(state, mask)
    return LoadedTicket(path, spec, network, data, ticket, here, mask, found, kind, dense, rows, pruning)


def _spec(path: Path, ticket: Ticket, config: Path | None, model: Mapping[str, Any]) -> TrainingSettings:
    """The settings that the ticket was found under: those that the user names, of its job, or that it keeps itself."""
    beside = path.parent / CONFIG
    source = config or (beside if beside.is_file() else None)
    try:
        if source is not None:
            read = OmegaConf.to_container(OmegaConf.load(source))
        else:
            read = {key: ticket.provenance[key] for key in ("model", "data") if key in ticket.provenance}
        if isinstance(read, dict) and model and "data" not in read:
            read |= {"data": {"name": NOISE}}
        if not isinstance(read, dict) or "data" not in read or not ("model" in read or model):
            raise LotteryError(f"{path} does not say what its network and data are; name them by --config or --model")
        asked = {key.name: read[key.name] for key in fields(TrainingSettings) if key.name in read}
        asked["experiment"] = "cost"
        if model:
            asked["model"] = dict(model)
        for group in ("model", "data") if config is None else ():
            own = asked[group].get("_target_") if not (group == "model" and model) else None
            if own:
                say = f"--config {source}" if source else "--config with a configuration of yours"
                raise LotteryError(f"{group} is code of its own, {own}: to run it say so, by {say}")
        merged = OmegaConf.merge(OmegaConf.structured(TrainingSettings), asked)
        spec = OmegaConf.to_object(merged)
    except (OmegaConfBaseException, yaml.YAMLError, OSError, UnicodeDecodeError, AttributeError) as error:
        raise LotteryError(
            f"{source or path} cannot be read as a configuration: {str(error).splitlines()[0]}"
        ) from error
    assert isinstance(spec, TrainingSettings)
    return spec


def _pruning(source: Path, rows: Sequence[Row]) -> Pruning | None:
    """How the configuration at `source` prunes, its method by the rows where `lth at_init` has several; else None."""
    read = OmegaConf.load(source) if source.is_file() else OmegaConf.create()
    if not isinstance(read, DictConfig) or "pruning" not in read:
        return None
    try:
        pruning = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Pruning), read["pruning"]))
    except OmegaConfBaseException as error:
        raise LotteryError(f"{source}: pruning cannot be read: {str(error).splitlines()[0]}") from error
    assert isinstance(pruning, Pruning)
    word = rows[0]["schedule"] if rows else ""
    method = method_of(word)
    return pruning_of(method, pruning) if method != word and word.endswith("_at_init") else pruning


def noise(shape: tuple[int, ...], classes: int) -> Data:
    """Inputs of N(0, 1), to time and compare with, where there are no data: an accuracy on them says nothing."""
    labels = torch.arange(256) % classes
    images = torch.randn(256, *shape, generator=rng(0, "cost", "inputs"))
    split = Split(images, labels)
    return Data(NOISE, split, Split(images[:0], labels[:0]), split, classes)


def _rows(path: Path, ticket: Ticket) -> list[Row]:
    """The rows of the job's results.csv that are of the ticket's setting and seed."""
    table = path.parent / "results.csv"
    about = ticket.provenance
    rows = read_results(table) if table.is_file() else []
    return [row for row in rows if row["setting"] == about.get("setting") and row["seed"] == about.get("seed")]


def _store(path: Path, spec: TrainingSettings) -> Path | None:
    """The store that the job used: in its outputs, else in a folder above the ticket."""
    places: Sequence[Path] = [Path(spec.outputs), *path.resolve().parents]
    return next((place / "store" for place in places if (place / "store").is_dir()), None)


def _trained(store: Path | None, run: str | None, weights: str) -> tuple[str, State | None]:
    """(which, the weights of `run`): at early stop where they are asked for and kept, else the last; else none."""
    if weights == "rewind" or store is None or not run or not (folder := store / run[:2] / run).is_dir():
        return "rewind", None
    states = read_run(folder).states
    kind = weights if weights in states and f"{weights}_mask" not in states else "final"  # then under another mask
    if kind not in states:
        raise LotteryError(f"the run {run} diverged: it has no trained weights; say --weights rewind")
    return kind, states[kind]
