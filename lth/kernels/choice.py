"""Which layers use the sparse products: those that are faster so, measured on this machine, size and density."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lth.kernels import DENSEST
from lth.kernels.functions import Product
from lth.kernels.layout import inner
from lth.kernels.structure import Sparse
from lth.kernels.timing import interleaved
from lth.kernels.trials import Trial, forward_backward, tried
from lth.kernels.weights import SparseWeights, Use

ALIKE = 1.15
"""Layers of the same size whose densities lie in one step of this factor are timed once."""
EXAMPLES = 32
"""How many examples convolutions and the whole network are timed on, of a larger batch."""
_times: dict[Any, float] = {}


def fastest(model: nn.Module, masks: Mapping[str, Tensor], images: Tensor) -> dict[str, str]:
    """Parameter's name -> `sparse` where its layer is faster so, else `dense`.

    images: a batch, as in training. A layer is timed forward and backward, at its own size and density, unless one
    nearly like it was timed before in this process; then the network with what was chosen, which stays dense where that
    is no gain, as where tensors have to be transposed between layers. The model is left as it is.
    """
    choices = dict.fromkeys(masks, "dense")
    thin = {name: mask for name, mask in masks.items() if _density(mask) <= DENSEST}
    if not thin:
        return choices
    trial = tried(model, thin, images)
    for name, reason in trial.reasons.items():
        if reason is None and _is_faster(thin[name], trial.uses[name], len(images) / trial.examples):
            choices[name] = "sparse"
    chosen = {name: mask for name, mask in thin.items() if choices[name] == "sparse"}
    return choices if chosen and _gains(trial, chosen, images) else dict.fromkeys(masks, "dense")


def _density(mask: Tensor) -> float:
    return float(mask.sum()) / max(1, mask.numel())


def _is_faster(mask: Tensor, uses: Iterable[Use], scale: float) -> bool:
    """scale: how many times larger the batch is than that of the trial."""
    dense = sparse = 0.0
    for use in uses:
        batch = min(round(use.batch * scale), EXAMPLES) if use.axes else round(use.batch * scale)
        size = (*use.key, batch)
        step = torch.tensor(_density(mask)).clamp_min(1e-9).log().div(torch.tensor(ALIKE).log()).round().item()
        if (size, step) not in _times or size not in _times:
            _times[size], _times[size, step] = _measured(mask, use, batch, _times.get(size))
        dense, sparse = dense + _times[size], sparse + _times[size, step]
    return sparse < dense


def _measured(mask: Tensor, use: Use, batch: int, dense: float | None) -> tuple[float, float]:
    """Seconds of a forward and backward pass: (dense, where that is not known yet; sparse)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((batch, *use.shape), generator=generator)
    weight = (torch.randn(mask.shape, generator=generator) * mask).requires_grad_()
    bias = torch.zeros(len(mask), requires_grad=True) if use.bias else None
    values = weight.detach()[mask].requires_grad_()
    layer = Sparse(mask, use.rows, use.columns, use.groups)
    shape = (batch, len(mask), *use.outputs)
    signal = torch.randn(shape, generator=generator)
    calls = {
        "sparse": _pass(
            inner(x) if use.inputs else x, inner(signal), use, lambda x: Product.apply(x, values, bias, layer, shape)
        )
    }
    if dense is None:
        calls["dense"] = _pass(x, signal, use, lambda x: use.dense(x, weight, bias))
        if x.ndim == 4:
            x, signal = (t.contiguous(memory_format=torch.channels_last) for t in (x, signal))
            calls["channels last"] = _pass(x, signal, use, lambda x: use.dense(x, weight, bias))
    times = interleaved(calls)
    sparse = times.pop("sparse")
    return min(times.values(), default=dense or 0.0), sparse


def _pass(x: Tensor, signal: Tensor, use: Use, function: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """A forward and a backward pass, as a function."""
    x = x.detach().requires_grad_(use.inputs)

    def run() -> None:
        x.grad = None
        function(x).backward(signal)

    return run


def _gains(trial: Trial, masks: Mapping[str, Tensor], images: Tensor) -> bool:
    """Whether a pass through the network is faster where the layers in `masks` are sparse."""
    batch = images[:EXAMPLES].detach()
    with trial.network() as model:
        weights = SparseWeights(model, masks)

        def sparse() -> None:
            with weights:
                forward_backward(model, batch)

        times = interleaved({"dense": lambda: forward_backward(model, batch), "sparse": sparse})
    return times["sparse"] < times["dense"]
