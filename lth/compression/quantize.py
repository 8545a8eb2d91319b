"""A ticket in fewer bits: weights alone, or weights and activations in int8.

Weights are quantised symmetrically with one scale per output channel. Zero is one of the values, so a pruned weight
stays exactly zero; a small kept weight may become zero as well. Dynamic int8 quantises the weights of Linear layers
once and their inputs in every call; other layers and activations such as ReLU work on floats as before. Static int8
runs convolutions and Linear layers in int8 from end to end, with activation ranges measured on calibration batches.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError, first_line
from lth.core.weights import State, load, shared_names, under_all_names
from lth.data.tensors import Split
from lth.training.evaluate import evaluate

BITS = range(2, 9)
"""The widths of weight-only quantisation."""


def check_bits(bits: int) -> None:
    """Raises SettingError for a width that is not in `BITS`."""
    if bits not in BITS:
        raise SettingError("bits", bits, f"must be an integer from {BITS[0]} to {BITS[-1]}")


def levels(weight: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """(int8 numbers of the shape of `weight`, scales (out, 1, ...)): their product is the quantised weight.

    Symmetric, per output channel: scale = largest magnitude / (2^(bits - 1) - 1), and numbers lie within +- that
    divisor. A channel of zeros has scale 1. Raises SettingError for a width out of range.

    >>> numbers, scales = levels(torch.tensor([[1.0, -0.5, 0.0]]), bits=3)
    >>> numbers.tolist(), [round(x, 3) for x in scales.flatten().tolist()]
    ([[3, -2, 0]], [0.333])
    """
    check_bits(bits)
    largest = 2 ** (bits - 1) - 1
    peaks = weight.detach().abs().reshape(len(weight), -1).amax(1).reshape(-1, *[1] * (weight.ndim - 1))
    scales = torch.where(peaks > 0, peaks / largest, 1.0)
    return (weight.detach() / scales).round().clamp(-largest, largest).to(torch.int8), scales


def fake_quantized(state: Mapping[str, Tensor], names: Iterable[str], bits: int) -> State:
    """A copy of `state` with the weights `names` rounded to `bits` bits and kept as floats; others are unchanged.

    Weight-only quantisation, as papers on quantised tickets report it; it runs anywhere and is faster nowhere. Raises
    LotteryError for a name that `state` lacks, SettingError for a width out of range.
    """
    chosen = set(names)
    if missing := sorted(chosen - set(state)):
        raise LotteryError(f"there is no weight {missing[0]} to quantise; the model has {', '.join(state)}")
    return {
        name: torch.mul(*levels(tensor, bits)) if name in chosen else tensor.detach().clone()
        for name, tensor in state.items()
    }


def accuracy_grid(
    model: nn.Module,
    tickets: Iterable[tuple[State, Mapping[str, Tensor]]],
    bits: Sequence[int],
    test: Split,
) -> list[dict[str, Any]]:
    """Rows `density, bits, nonzero, test_accuracy`: each ticket (trained state, mask) in 32 bits and in each of `bits`.

    The weights in the mask are quantised, a shared one under all of its names; others are not. nonzero: parameters that
    are not zero; small kept weights become zero as well. `model` gives the architecture and is unchanged.
    """
    for width in bits:
        check_bits(width)
    before, rows, shared = copy.deepcopy(model.state_dict()), [], shared_names(model.state_dict())
    try:
        for state, mask in tickets:
            sizes = [(int(kept.sum()), kept.numel()) for kept in mask.values()]
            density = sum(kept for kept, _ in sizes) / sum(size for _, size in sizes)
            load(model, state, mask)
            masked = copy.deepcopy(model.state_dict())
            for width in (32, *bits):
                names = under_all_names(mask, shared)
                load(model, masked if width == 32 else fake_quantized(masked, names, width))
                nonzero = sum(int(x.count_nonzero()) for x in model.parameters())
                accuracy = evaluate(model, test).accuracy
                rows.append({"density": density, "bits": width, "nonzero": nonzero, "test_accuracy": accuracy})
    finally:
        model.load_state_dict(before)
    return rows


@contextmanager
def _legacy() -> Iterator[Any]:
    """torch.ao.quantization on this processor's engine, without its notice that it will move to torchao.

    torchao is slower: 2.3 ms against 0.4 ms for LeNet-300-100 at batch 64 on one thread, without a compiler.
    """
    try:
        import torch.ao.quantization as quantization
        import torch.ao.quantization.quantize_fx  # not imported by its package
    except ImportError as error:
        raise LotteryError(
            f"int8: torch {torch.__version__} has no torch.ao.quantization; pip install 'torch==2.14.*'"
        ) from error
    engines = torch.backends.quantized.supported_engines
    engine = next((name for name in ("x86", "fbgemm", "qnnpack", "onednn") if name in engines), None)
    if engine is None:
        raise LotteryError(f"int8: this torch has no CPU engine for it; its engines: {', '.join(engines)}")
    before = torch.backends.quantized.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.backends.quantized.engine = engine
        try:
            yield quantization
        finally:
            torch.backends.quantized.engine = before


def dynamic_int8(model: nn.Module) -> nn.Module:
    """A copy of `model` on the CPU with int8 Linear layers, whose inputs are quantised in every call.

    Convolutions and activations are unchanged. Raises LotteryError where there is no Linear layer.
    """
    if not any(type(module) is nn.Linear for module in model.modules()):
        raise LotteryError("dynamic int8 is for Linear layers; the model has none")
    with _legacy() as quantization:
        config = quantization.per_channel_dynamic_qconfig
        if torch.backends.quantized.engine == "qnnpack":  # it supports one scale per layer
            config = quantization.default_dynamic_qconfig
        quantized: nn.Module = quantization.quantize_dynamic(copy.deepcopy(model).cpu().eval(), {nn.Linear: config})
        return quantized


def static_int8(model: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """A copy of `model` on the CPU with int8 convolutions and Linear layers, BatchNorm folded into them.

    `batches`: training inputs (N, ...) for the ranges of the activations. Raises LotteryError where torch.fx does not
    support the model, or there is no batch.
    """
    if not batches:
        raise LotteryError("static int8 needs calibration batches; none were given")
    with _legacy() as quantization:
        try:
            mapping = quantization.get_default_qconfig_mapping(torch.backends.quantized.engine)
            network = copy.deepcopy(model).cpu().eval()
            prepared = quantization.quantize_fx.prepare_fx(network, mapping, (batches[0].cpu(),))
            with torch.no_grad():
                for batch in batches:
                    prepared(batch.cpu())
            quantized: nn.Module = quantization.quantize_fx.convert_fx(prepared)
        except Exception as error:  # torch.fx may raise anything for a user's network
            raise LotteryError(f"static int8 does not support the model: {first_line(error)}") from error
        return quantized


def int8_weights(quantized: nn.Module) -> dict[str, Tensor]:
    """Weight name -> the int8 numbers of each quantised Linear layer and convolution."""
    weights = {}
    for name, module in quantized.named_modules():
        weight: Callable[[], Tensor] | None = getattr(module, "weight", None)
        if callable(weight):
            weights[f"{name}.weight"] = weight().int_repr()
    return weights
