"""The files of a ticket's forms: written, read again, and run, to be sure that they still are the ticket."""

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lth.compression.export import load_exported
from lth.compression.forms import Form
from lth.compression.onnx import OnnxNetwork
from lth.compression.outputs import are_others, difference, outputs_of
from lth.core.errors import LotteryError, reason_of
from lth.core.files import write_bytes
from lth.core.reading import read_bytes


def file_name(form: str) -> str:
    """The name of a form's file.

    >>> file_name("packed")
    'packed.safetensors'
    """
    return "model.onnx" if form == "onnx" else f"{form}.safetensors"


@torch.no_grad()
def write_and_verify(
    folder: Path,
    forms: Mapping[str, Form],
    mask: Mapping[str, Tensor],
    images: Tensor,
    problems: dict[str, str] | None = None,
) -> dict[str, tuple[Path, float]]:
    """Form -> (its file in `folder`, the largest difference of that file's outputs from those of `masked`).

    Each file is read again, and the network that it holds is run on `images`, inputs (N, ...); int8 files as
    dequantised weights. The dense network and forms that could not be made or run have no file. Raises LotteryError
    where a form that rounds nothing gives other outputs, and where a weight that `mask` prunes is not zero in the file;
    where `problems` is given it gets these by form, and whatever else a network raises, and the other files are made.
    """
    ticket = forms["masked"].network
    assert ticket is not None
    expected = outputs_of(ticket, images)
    files = {}
    for name, form in forms.items():
        if form.content is None or form.network is None or name == "dense":
            continue
        path = folder / file_name(name)
        write_bytes(path, form.content)
        try:
            gap = difference(outputs_of(_read(path, name, form, ticket, mask), images), expected)
            if are_others(name, gap, expected):
                raise LotteryError(
                    f"{path}: read again, its logits differ from the masked network's by {gap:.2g}; a form that rounds"
                    " nothing should equal it"
                )
        except Exception as error:
            if problems is None:
                raise
            path.unlink()
            problems[name] = reason_of(error)
        else:
            files[name] = (path, gap)
    return files


def _read(path: Path, name: str, form: Form, ticket: nn.Module, mask: Mapping[str, Tensor]) -> nn.Module:
    """The network that the file at `path` holds."""
    if name == "onnx":
        return OnnxNetwork(read_bytes(path))
    state = load_exported(path)
    if name != "shrunk":  # its tensors are smaller than the mask
        for weight, kept in mask.items():
            if bool(state[weight][~kept.cpu()].count_nonzero()):
                raise LotteryError(f"{path}: {weight} is not zero where it is pruned")
    network = copy.deepcopy(form.network if name == "shrunk" and form.network is not None else ticket)
    network.load_state_dict(state)
    return network
