"""A masked network's weights as safetensors files that other programs can read, and back.

dense         every weight, zeros too, as in a checkpoint
csr           each masked weight as compressed sparse rows: int32 row pointers, int32 columns, values
packed        each mask as bits, eight to a byte, and the kept values in order
int8          each masked weight as int8 with a scale for each output channel
packed_int8   the bits, the kept values as int8, the scales: the smallest

A tensor that the network has under several names is stored once, under the first; the header names the others.
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lth.compression.quantize import levels
from lth.compression.sparse import rows
from lth.core.errors import LotteryError, SettingError
from lth.core.files import write_bytes
from lth.core.reading import parse_json, regular
from lth.core.weights import State, masked, on_cpu, shared_names

FORMATS = ("dense", "csr", "packed", "int8", "packed_int8")
KIND = "lth-weights-1"


def content(
    state: Mapping[str, Tensor], mask: Mapping[str, Tensor], form: str, shared: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of the file: `state` with its pruned weights at zero. Tensors that `mask` lacks are stored as they are.

    shared: further name of a tensor -> its first, by which `mask` goes; None: what shares its memory in `state`, as in
    a `state_dict()`. Raises SettingError for an unknown format, LotteryError where the mask does not fit the state.

    >>> state, mask = {"weight": torch.ones(100, 100)}, {"weight": torch.eye(100).bool()}
    >>> {form: round(len(content(state, mask, form)) / 1000, 1) for form in FORMATS}  # kB
    {'dense': 40.2, 'csr': 1.5, 'packed': 1.9, 'int8': 10.7, 'packed_int8': 2.1}
    """
    if form not in FORMATS:
        raise SettingError("format", form, f"must be one of {', '.join(FORMATS)}")
    for name, kept in mask.items():
        if name not in state or state[name].shape != kept.shape:
            raise LotteryError(f"the mask does not fit: the weights have no {name} of shape {tuple(kept.shape)}")
    shared = shared_names(state) if shared is None else shared
    once = {name: tensor for name, tensor in state.items() if name not in shared}
    pruned = masked(on_cpu(once), {name: kept.cpu() for name, kept in mask.items()})
    tensors: State = {}
    for name, tensor in pruned.items():
        if form == "dense" or name not in mask:
            tensors[name] = tensor.contiguous()
        else:
            parts = _parts(tensor, mask[name].cpu(), form)
            tensors |= {f"{name}/{part}": value.contiguous() for part, value in parts.items()}
    shapes = {name: list(mask[name].shape) for name in mask}
    about = {"kind": KIND, "format": form, "shapes": shapes} | ({"shared": dict(shared)} if shared else {})
    return save(tensors, metadata={"about": json.dumps(about, sort_keys=True)})  # one key: the order of several varies


def _parts(weight: Tensor, kept: Tensor, form: str) -> dict[str, Tensor]:
    """What the file holds of one masked weight."""
    if form == "csr":
        matrix = rows(weight)
        pointers, columns = matrix.crow_indices().int(), matrix.col_indices().int()
        return {"pointers": pointers, "columns": columns, "values": matrix.values()}
    bits = torch.from_numpy(np.packbits(kept.bool().numpy(), axis=None))
    if form == "packed":
        return {"bits": bits, "values": weight[kept]}
    numbers, scales = levels(weight)
    if form == "int8":
        return {"numbers": numbers, "scales": scales}
    return {"bits": bits, "numbers": numbers[kept], "scales": scales}


def export(
    path: str | Path,
    state: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    form: str,
    shared: Mapping[str, str] | None = None,
) -> Path:
    """Writes `content` to `path`, completely or not at all; the path."""
    write_bytes(Path(path), content(state, mask, form, shared))
    return Path(path)


def load_exported(path: str | Path) -> State:
    """The state dict that `export` wrote to `path`, dense again: bit by bit, or within half a step of int8.

    A shared tensor is one tensor under all of its names.
    Raises LotteryError naming the file where it is damaged or of another kind.
    """
    try:
        with safe_open(regular(path), framework="pt") as file:
            about = parse_json((file.metadata() or {}).get("about", "{}"))
            tensors: State = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise LotteryError(f"{path} is not a file of weights that lth exported")
        form, shapes = about["format"], about["shapes"]
        state = {name: tensor for name, tensor in tensors.items() if "/" not in name}
        for name, shape in shapes.items() if form != "dense" else ():
            state[name] = _weight({key: tensors[f"{name}/{key}"] for key in _KEYS[form]}, shape, form)
        state |= {name: state[first] for name, first in dict(about.get("shared", {})).items()}
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise LotteryError(f"{path} cannot be read as exported weights: {error}") from error
    return state


_KEYS: dict[str, tuple[str, ...]] = {
    "csr": ("pointers", "columns", "values"),
    "packed": ("bits", "values"),
    "int8": ("numbers", "scales"),
    "packed_int8": ("bits", "numbers", "scales"),
}


def _weight(parts: Mapping[str, Tensor], shape: list[int], form: str) -> Tensor:
    """The dense weight of `shape` that `parts` hold."""
    if form == "int8":
        return parts["numbers"] * parts["scales"]
    if form == "csr":
        pointers, columns = parts["pointers"].long(), parts["columns"].long()
        rows_of_values = torch.repeat_interleave(torch.arange(shape[0]), pointers.diff())
        weight = parts["values"].new_zeros(shape[0], int(np.prod(shape[1:])))
        weight[rows_of_values, columns] = parts["values"]
        return weight.reshape(shape)
    kept = torch.from_numpy(np.unpackbits(parts["bits"].numpy(), count=int(np.prod(shape))).astype(bool)).reshape(shape)
    values = parts["values" if form == "packed" else "numbers"]
    weight = values.new_zeros(shape)
    weight[kept] = values
    return weight if form == "packed" else weight * parts["scales"]


def sizes(state: Mapping[str, Tensor], mask: Mapping[str, Tensor], form: str) -> tuple[int, int]:
    """(bytes, bytes after gzip) of the file in that format."""
    file = content(state, mask, form)
    return len(file), len(gzip.compress(file, mtime=0))
