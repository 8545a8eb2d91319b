"""The forms that a ticket can be kept in and run in."""

import copy
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lth.compression import export, quantize
from lth.compression.measure import Counts, counts
from lth.compression.onnx import OnnxNetwork, onnx_content
from lth.compression.products import layers_called
from lth.compression.shrink import removal, shrunk
from lth.compression.sparse import CsrConv2d, CsrLinear, csr_network
from lth.core.errors import LotteryError, reason_of
from lth.core.weights import Mask, shared_names, under_all_names


@dataclass(frozen=True)
class Form:
    """A form of the ticket.

    note: what it does, or why it could not be made. content: the bytes of its file; None where it could not be made.
    network: gives its logits. timed: whether it runs as that network; else it is unpacked first, and runs as `masked`
    does. counts: of a form whose weights are not the ticket's.
    """

    note: str
    content: bytes | None = None
    network: nn.Module | None = None
    timed: bool = True
    counts: Counts | None = None

    @property
    def sizes(self) -> tuple[int, int] | None:
        """(bytes, bytes after gzip) of its file."""
        return None if self.content is None else (len(self.content), len(gzip.compress(self.content, mtime=0)))


@dataclass(frozen=True)
class Subject:
    """The ticket: its network with pruned weights at zero, mask, inputs (N, ...), and batches for calibration."""

    network: nn.Module
    mask: Mask
    images: Tensor
    calibration: Sequence[Tensor] = ()

    def content(self, form: str, mask: Mapping[str, Tensor] | None = None) -> bytes:
        """The bytes of its file in the format `form`; `mask`: where only some of the masked weights are packed."""
        return export.content(self.network.state_dict(), self.mask if mask is None else mask, form)


class LayersCalled(nn.Module):
    """A network that calls its layers one by one: torch's operators for whole attention layers read their weights.

    Those of layers that are replaced are not there.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Any) -> Any:
        """What the network gives."""
        with layers_called():
            return self.network(*inputs)


def _with_layers_called(network: nn.Module) -> nn.Module:
    attention = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
    return LayersCalled(network) if any(isinstance(module, attention) for module in network.modules()) else network


def made(name: str, subject: Subject, strict: bool = False) -> Form:
    """The form `name` of `subject`; where it cannot be made, the note says why. `strict`: then LotteryError is raised.

    >>> import torch
    >>> made("int8_dynamic", Subject(nn.Conv1d(1, 1, 1), {}, torch.zeros(1, 1, 1))).note
    'not available: dynamic int8 is for Linear layers; the model has none'
    """
    try:
        return FORMS[name](subject)
    except LotteryError as error:
        if strict:
            raise
        return Form(f"not available: {error}")
    except Exception as error:  # a user's network may make any of the libraries raise anything
        form = impossible(error)
        if strict:
            raise LotteryError(f"form {name}: {form.note}") from error
        return form


def impossible(error: BaseException) -> Form:
    """The form of a network for which something raised `error`."""
    return Form(f"not possible for this network: {reason_of(error)}")


def _masked(subject: Subject) -> Form:
    return Form("zeros in dense kernels: no time is saved", subject.content("dense"), subject.network)


def _csr(subject: Subject) -> Form:
    network = csr_network(subject.network)
    if not any(isinstance(module, (CsrLinear, CsrConv2d)) for module in network.modules()):
        raise LotteryError("the model has no layer that CSR supports: Linear, or Conv2d without groups")
    unfolded = any(isinstance(module, CsrConv2d) for module in network.modules())
    note = "zeros are skipped" + ("; convolutions are unfolded first" if unfolded else "")
    return Form(note, subject.content("csr"), _with_layers_called(network))


def _packed(subject: Subject) -> Form:
    return Form(
        "mask as bits and kept values; unpacked when loaded, runs as masked",
        subject.content("packed"),
        subject.network,
        False,
    )


def _packed_int8(subject: Subject) -> Form:
    network = copy.deepcopy(subject.network)
    state = network.state_dict()
    names = under_all_names(subject.mask, shared_names(state))
    network.load_state_dict(quantize.fake_quantized(state, names, 8))
    rounded = counts(network, subject.images)  # small kept weights become zero as well
    note = "as packed, with kept values in 8 bits; runs as masked"
    return Form(note, subject.content("packed_int8"), network, False, rounded)


def _int8_dynamic(subject: Subject) -> Form:
    network = quantize.dynamic_int8(subject.network)
    file = subject.content("int8", _quantised(subject, network))
    note = "int8 weights of Linear layers; ReLU and other activations are unchanged"
    return Form(note, file, _with_layers_called(network))


def _int8_static(subject: Subject) -> Form:
    network = quantize.static_int8(subject.network, subject.calibration)
    file = subject.content("int8", _quantised(subject, network))
    return Form(
        "int8 weights and activations, calibrated on training batches; their ranges are not in the file",
        file,
        _with_layers_called(network),
    )


def _quantised(subject: Subject, network: nn.Module) -> Mask:
    """The masks of the weights that `network` has in int8, a shared one in every layer that uses it."""
    quantised, shared = quantize.int8_weights(network), shared_names(subject.network.state_dict())
    floats = {first for name, first in shared.items() if name not in quantised}
    return {name: kept for name, kept in subject.mask.items() if name in quantised and name not in floats}


def _shrunk(subject: Subject) -> Form:
    few = subject.images[:2]
    removed = removal(subject.network, subject.mask, few)
    stay = f"; {removed.stay} pruned ones stay, since their bias enters a padded convolution" if removed.stay else ""
    if not removed.count:
        raise LotteryError(f"no channel or unit can be removed{stay}")
    network = shrunk(subject.network, subject.mask, few, removed)
    note = f"{removed.count} pruned channels or units are removed{stay}"
    content = export.content(network.state_dict(), {}, "dense")
    return Form(note, content, network, counts=counts(network, subject.images))


def _onnx(subject: Subject) -> Form:
    content = onnx_content(subject.network, subject.images)
    return Form("ONNX Runtime with dense kernels: zeros save no time", content, OnnxNetwork(content))


FORMS: dict[str, Callable[[Subject], Form]] = {
    "masked": _masked,
    "csr": _csr,
    "packed": _packed,
    "packed_int8": _packed_int8,
    "int8_dynamic": _int8_dynamic,
    "int8_static": _int8_static,
    "shrunk": _shrunk,
    "onnx": _onnx,
}
"""Name -> the function that makes the form; it raises LotteryError where it cannot."""

DEFAULT = tuple(name for name in FORMS if name != "onnx")
"""The forms of a cost table unless others are named; the export to ONNX takes many seconds."""
