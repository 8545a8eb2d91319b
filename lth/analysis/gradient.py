"""The gradient norm: how strongly a subnetwork is pulled (Evci et al. 2022, section 3)."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from lth.core.tables import Column
from lth.data.tensors import Split
from lth.training.gradient import EXAMPLES, batch_statistics, examples, gradient_of
from lth.training.run_spec import RunSpec


def gradient_norm(model: nn.Module, mask: Mapping[str, Tensor], split: Split) -> dict[str, float]:
    """The L2 norm of the gradient of the mean loss over all of `split`, by parameter, and of all under `total`.

    Over every trainable parameter, pruned weights left out, without weight decay, in float32. The loss is the mean
    over the one batch that `split` is; BatchNorm normalises by it. `model` is unchanged, `.grad` and buffers too.
    """
    with batch_statistics(model):
        gradients = gradient_of(model, split.images, split.labels)
    for name, gradient in gradients.items():
        if name in mask:
            gradient *= mask[name].to(gradient.device)
    norms = {name: gradient.float().norm().item() for name, gradient in gradients.items()}
    return norms | {"total": sum(norm**2 for norm in norms.values()) ** 0.5}


class GradientNorm:
    """`gradient_norm` on 1,000 fixed training examples, as an observer of a training.

    With `before_updates` also right before and after each change of the mask; the former under `before/` and the name.
    """

    columns: ClassVar = {"total": Column("grad_norm", float, "", "L2 norm of the gradient on 1,000 training examples")}

    def __init__(self, every: int, before_updates: bool = False) -> None:
        self.every, self.before_updates = every, before_updates
        self.key = f"gradient_norm every={every} examples={EXAMPLES}" + " before_updates" * before_updates
        self._examples: tuple[Split, Split] | None = None  # (the split they were taken from, the examples)

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        if self._examples is None or self._examples[0] is not spec.data.train:
            self._examples = (spec.data.train, examples(spec.data.train))
        return gradient_norm(model, spec.mask, self._examples[1])
