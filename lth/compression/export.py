"""A masked network's weights as files that others can read, and back: safetensors, never pickle.

dense         every weight, zeros too: what a checkpoint is
csr           each masked weight by rows: int32 row pointers, int32 columns, values
packed        each mask as bits, eight to a byte, and the kept values in order
int8          each masked weight as int8 with a scale for each output channel
packed_int8   the bits, the kept values as int8, the scales: the smallest
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
from lth.core.weights import State, masked, on_cpu

FORMATS = ("dense", "csr", "packed", "int8", "packed_int8")
KIND = "lth-weights-1"


def content(state: Mapping[str, Tensor], mask: Mapping[str, Tensor], form: str) -> bytes:
    """The file, as bytes: `state` with pruned weights at zero. The tensors that `mask` does not name are whole.

    Raises SettingError for an unknown format, LotteryError where the mask does not fit the state.
    """
    if form not in FORMATS:
        raise SettingError("format", form, f"must be one of {', '.join(FORMATS)}")
    for name, kept in mask.items():
        if name not in state or state[name].shape != kept.shape:
            raise LotteryError(f"the mask does not fit: the weights have no {name} of shape {tuple(kept.shape)}")
    whole = masked(on_cpu(state), {name: kept.cpu() for name, kept in mask.items()})
    tensors: State = {}
    for name, tensor in whole.items():
        if form == "dense" or name not in mask:
            tensors[name] = tensor.contiguous()
        else:
            parts = _parts(tensor, mask[name].cpu(), form)
            tensors |= {f"{name}/{part}": value.contiguous() for part, value in parts.items()}
    shapes = {name: list(mask[name].shape) for name in mask}
    about = {"kind": KIND, "format": form, "shapes": shapes}
    return save(tensors, metadata={"about": json.dumps(about, sort_keys=True)})  # of several keys the order would vary


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
    return (
        {"numbers": numbers, "scales": scales}
        if form == "int8"
        else {
            "bits": bits,
            "numbers": numbers[kept],
            "scales": scales,
        }
    )


def export(path: str | Path, state: Mapping[str, Tensor], mask: Mapping[str, Tensor], form: str) -> Path:
    """Writes `content` to `path`, whole or not at all."""
    write_bytes(Path(path), content(state, mask, form))
    return Path(path)


def load_exported(path: str | Path) -> State:
    """The state dict that `export` wrote to `path`, dense again: equal bit by bit, from int8 to half a level.

    Raises LotteryError naming the file where it is another or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            tensors: State = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        if not isinstance(about, dict) or about.get("kind") != KIND:
            raise LotteryError(f"{path} is not a file of weights that lth exported")
        form, shapes = about["format"], about["shapes"]
        found = {name: tensor for name, tensor in tensors.items() if "/" not in name}
        for name, shape in shapes.items() if form != "dense" else ():
            found[name] = _weight({key: tensors[f"{name}/{key}"] for key in _KEYS[form]}, shape, form)
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise LotteryError(f"{path} cannot be read as exported weights: {error}") from error
    return found


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
        places = torch.repeat_interleave(torch.arange(shape[0]), pointers.diff())
        weight = parts["values"].new_zeros(shape[0], int(np.prod(shape[1:])))
        weight[places, columns] = parts["values"]
        return weight.reshape(shape)
    kept = torch.from_numpy(np.unpackbits(parts["bits"].numpy(), count=int(np.prod(shape))).astype(bool)).reshape(shape)
    values = parts["values" if form == "packed" else "numbers"]
    weight = values.new_zeros(shape)
    weight[kept] = values
    return weight if form == "packed" else weight * parts["scales"]


def sizes(state: Mapping[str, Tensor], mask: Mapping[str, Tensor], form: str) -> tuple[int, int]:
    """(bytes, bytes after gzip) of the file in that format."""
    raw = content(state, mask, form)
    return len(raw), len(gzip.compress(raw, mtime=0))
