"""The parameters of a network: which of them masks leave alone, and the density of all."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from lth.core.errors import LotteryError


def parameter_count(model: nn.Module) -> int:
    """The number of all parameters; a shared one counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def parameter_density(model: nn.Module, mask: Mapping[str, Tensor], dense: nn.Module | None = None) -> float:
    """(all parameters of `model` - those that `mask` prunes) / all parameters of `dense` (None: of `model`), 0..1."""
    pruned = sum(kept.numel() - int(kept.sum()) for kept in mask.values())
    return (parameter_count(model) - pruned) / parameter_count(dense or model)


def unpruned(model: nn.Module, masked: Collection[str], exclude: Sequence[str] = ()) -> dict[str, int]:
    """Name -> size of each parameter of two or more dimensions that is not in `masked` and matches no `exclude`."""
    return {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and name not in masked and not any(fnmatchcase(name, pattern) for pattern in exclude)
    }


def check_parameters(model: nn.Module) -> None:
    """Raises LotteryError for parameters that cannot be copied, trained and masked one by one.

    Those of a lazy module have no shape before the first forward pass, and on the meta device no values. TorchScript
    and quantised layers hide the weights. Two that share their memory and are not one parameter, as
    `nn.Parameter(other.weight.t())` makes, would part in a copy of the model.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise LotteryError("the model is a TorchScript module, whose layers cannot be pruned: give what it came from")
    for name, module in model.named_modules():
        if type(module).__module__.startswith(("torch.ao.nn.quantized", "torch.nn.quantized")):
            raise LotteryError(f"{name or 'the model'} is quantised: give the model as it was before, in float32")
    _check_places(model)


def _check_places(model: nn.Module) -> None:
    places: dict[int, str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
            problem = "its module is lazy: call the model on a batch first, in its constructor if a function builds it"
            raise LotteryError(f"{name} has no shape yet, as {problem}")
        if tensor.is_meta:
            raise LotteryError(f"{name} lies on the meta device and has no values: build the model on the CPU or a GPU")
        if isinstance(tensor, nn.Parameter) and tensor.numel() and tensor.data_ptr():
            other = places.setdefault(tensor.data_ptr(), name)
            if other != name:
                problem = "and is another parameter: share the parameter itself, or use it transposed in forward"
                raise LotteryError(f"{name} shares its memory with {other} {problem}")
