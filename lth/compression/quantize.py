"""A ticket in fewer bits: weights alone, or weights and activations in int8.

Weights are quantised symmetrically, a scale for each output channel: zero is a level of its own, so a pruned weight
stays exactly zero; a small kept one may become zero, too. Dynamic int8 quantises the weights of Linear layers, and
their inputs call by call: nothing else changes, least of all an activation such as ReLU, which has no weights and
works on floats as before. Static int8 runs convolutions and Linear layers in int8 from end to end, with ranges of the
activations that were seen on calibration batches.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import State, load
from lth.data.tensors import Split
from lth.training.evaluate import evaluate

BITS = range(2, 9)
"""The widths of weight-only quantisation."""


def check_bits(bits: int) -> None:
    """Raises SettingError for a width that is not in `BITS`."""
    if bits not in BITS:
        raise SettingError("bits", bits, f"must be a whole number from {BITS[0]} to {BITS[-1]}")


def levels(weight: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """(whole numbers int8 of the shape of `weight`, scales (out, 1, ...)): their product is the quantised weight.

    Symmetric, by output channel: scale = largest magnitude / (2^(bits - 1) - 1), numbers within +- that divisor. A
    channel of zeros has scale 1. Raises SettingError for a width out of range.
    """
    check_bits(bits)
    largest = 2 ** (bits - 1) - 1
    peaks = weight.detach().abs().reshape(len(weight), -1).amax(1).reshape(-1, *[1] * (weight.ndim - 1))
    scales = torch.where(peaks > 0, peaks / largest, 1.0)
    return (weight.detach() / scales).round().clamp(-largest, largest).to(torch.int8), scales


def fake_quantized(state: Mapping[str, Tensor], names: Iterable[str], bits: int) -> State:
    """A copy of `state` with the weights `names` rounded to `bits` bits, as floats; all else as it was.

    Weight-only quantisation as papers on quantised tickets report it: exact anywhere, faster nowhere.
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
    """Rows density, bits, nonzero, test_accuracy: each ticket (trained state, mask) in 32 bits, then in each of `bits`.

    The masked weights are quantised, others stay as they are; nonzero: parameters that are not zero, since small kept
    weights become zero, too. `model` is run with them, and is then as it was.
    """
    for width in bits:
        check_bits(width)
    before, found = copy.deepcopy(model.state_dict()), []
    try:
        for state, mask in tickets:
            sizes = [(int(kept.sum()), kept.numel()) for kept in mask.values()]
            density = sum(kept for kept, _ in sizes) / sum(size for _, size in sizes)
            load(model, state, mask)
            masked = copy.deepcopy(model.state_dict())
            for width in (32, *bits):
                load(model, masked if width == 32 else fake_quantized(masked, mask, width))
                nonzero = sum(int(x.count_nonzero()) for x in model.parameters())
                accuracy = evaluate(model, test).accuracy
                found.append({"density": density, "bits": width, "nonzero": nonzero, "test_accuracy": accuracy})
    finally:
        model.load_state_dict(before)
    return found


@contextmanager
def _legacy() -> Iterator[Any]:
    """torch.ao.quantization on this processor's engine, without its notice that it will move to torchao.

    It is slower there: 2.3 ms against 0.4 ms for Lenet-300-100 at batch 64 on one thread, without a compiler.
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
        raise LotteryError(f"int8: this torch has no engine for it on the CPU, only {engines}")
    before = torch.backends.quantized.engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.backends.quantized.engine = engine
        try:
            yield quantization
        finally:
            torch.backends.quantized.engine = before


def dynamic_int8(model: nn.Module) -> nn.Module:
    """A copy of `model` on the CPU with int8 Linear layers, whose inputs are quantised call by call.

    Convolutions and activations stay as they are. Raises LotteryError where there is no Linear layer.
    """
    if not any(type(module) is nn.Linear for module in model.modules()):
        raise LotteryError("dynamic int8 is for Linear layers; the model has none")
    with _legacy() as quantization:
        how = {nn.Linear: quantization.per_channel_dynamic_qconfig}
        if torch.backends.quantized.engine == "qnnpack":  # it takes one scale a layer
            how = {nn.Linear: quantization.default_dynamic_qconfig}
        quantized: nn.Module = quantization.quantize_dynamic(copy.deepcopy(model).cpu().eval(), how)
        return quantized


def static_int8(model: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """A copy of `model` on the CPU in int8: convolutions and Linear layers, BatchNorm folded into them.

    `batches`: training inputs (N, ...) that the ranges of the activations are taken from. Raises LotteryError where
    torch.fx cannot follow the model, or there is no batch.
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
        except Exception as error:  # whatever torch.fx makes of a user's own network
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise LotteryError(f"static int8 cannot follow the model: {reason}") from error
        return quantized


def int8_weights(quantized: nn.Module) -> dict[str, Tensor]:
    """Weight name -> the whole numbers (int8) of each quantised Linear layer and convolution, as torch runs them."""
    found = {}
    for name, module in quantized.named_modules():
        weight: Callable[[], Tensor] | None = getattr(module, "weight", None)
        if callable(weight):
            found[f"{name}.weight"] = weight().int_repr()
    return found
