"""The files of a ticket's forms: written, read again, and run, to be sure that they still are the ticket."""

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lth.compression.export import load_exported
from lth.compression.forms import Form
from lth.compression.onnx import OnnxNetwork
from lth.core.errors import LotteryError
from lth.core.files import write_bytes
from lth.core.reading import read_bytes

EXACT = ("masked", "csr", "packed", "shrunk", "onnx")
"""The forms that round nothing: their logits equal those of the masked network up to the order of sums."""
TOLERANCE = 1e-4
"""How much the order of sums may change logits, as a share of the largest."""


def file_name(form: str) -> str:
    """The name of a form's file.

    >>> file_name("packed")
    'packed.safetensors'
    """
    return "model.onnx" if form == "onnx" else f"{form}.safetensors"


@torch.no_grad()
def write_and_verify(
    folder: Path, forms: Mapping[str, Form], mask: Mapping[str, Tensor], images: Tensor
) -> dict[str, tuple[Path, float]]:
    """Form -> (its file in `folder`, the largest difference of that file's logits from those of `masked`).

    Each file is read again, and the network that it holds is run on `images`, inputs (N, ...); int8 files as
    dequantised weights. The dense network and forms that could not be made have no file. Raises LotteryError where a
    form of EXACT gives other logits, and where a weight that `mask` prunes is not zero in the file.
    """
    ticket = forms["masked"].network
    assert ticket is not None
    expected = ticket(images)
    files = {}
    for name, form in forms.items():
        if form.content is None or form.network is None or name == "dense":
            continue
        path = folder / file_name(name)
        write_bytes(path, form.content)
        difference = float((_read(path, name, form, ticket, mask)(images) - expected).abs().max())
        if name in EXACT and not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
            raise LotteryError(
                f"{path}: read again, its logits differ from the masked network's by {difference:.2g}; a form that"
                " rounds nothing should equal it"
            )
        files[name] = (path, difference)
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
