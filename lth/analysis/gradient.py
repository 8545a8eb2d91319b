"""Gradient flow: the norm of a subnetwork's gradient (Evci et al. 2022, section 3)."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from lth.core.tables import Column
from lth.data.tensors import Split
from lth.training.gradient import EXAMPLES, batch_statistics, examples, gradient_of
from lth.training.run_spec import RunSpec


def gradient_norm(model: nn.Module, mask: Mapping[str, Tensor], split: Split) -> dict[str, float]:
    """The L2 norm of the gradient of the mean loss over `split`, by parameter, and of the full gradient as `total`.

    Over every trainable parameter, without pruned weights and without weight decay, in float32. All of `split` is one
    batch, by which BatchNorm normalises. `model` is unchanged, including `.grad` and buffers.
    """
    with batch_statistics(model):
        gradients = gradient_of(model, split)
    for name, gradient in gradients.items():
        if name in mask:
            gradient *= mask[name].to(gradient.device)
    norms = {name: gradient.float().norm().item() for name, gradient in gradients.items()}
    return norms | {"total": sum(norm**2 for norm in norms.values()) ** 0.5}


class GradientNorm:
    """Observes a training: `gradient_norm` on 1,000 fixed training examples.

    every: iterations between measurements; 0 for none but at the start and the end. before_updates: also right before
    and right after each change of the mask, the former under names that begin with `before/`.
    """

    columns: ClassVar = {
        "total": Column(
            "grad_norm", float, "", "L2 norm of the gradient on 1,000 training examples", at_least=0, finite=False
        )
    }

    def __init__(self, every: int, before_updates: bool = False) -> None:
        self.every, self.before_updates = every, before_updates
        self.key = f"gradient_norm every={every} examples={EXAMPLES}" + " before_updates" * before_updates
        self._examples: tuple[Split, Split] | None = None  # (the split they were taken from, the examples)

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        if self._examples is None or self._examples[0] is not spec.data.train:
            self._examples = (spec.data.train, examples(spec.data.train))
        return gradient_norm(model, spec.mask, self._examples[1])
