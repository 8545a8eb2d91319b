"""Language modelling: the next token at each place, by cross-entropy."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from lth.tasks.metrics import Measures, Metric
from lth.tasks.task import Part, Score, Targets, summed

NO_TOKEN = -100
"""The target of a place that does not count, as torch and Hugging Face have it."""
LARGEST = 700.0
"""The loss in nats whose perplexity a float still holds; a larger one has the same."""
METRICS = (
    Metric("perplexity", "lower", "", "e to the mean loss of a token over the whole split"),
    Metric("token_accuracy", "higher", "0..1", "the share of tokens that are the most probable ones"),
)


def shifted(tokens: Tensor) -> Tensor:
    """The targets of a model that predicts the next token: `tokens` (N, T) one to the left; the last does not count.

    >>> shifted(torch.tensor([[5, 6, 7]])).tolist()
    [[6, 7, -100]]
    """
    targets = torch.full_like(tokens, NO_TOKEN, dtype=torch.int64)
    targets[:, :-1] = tokens[:, 1:]
    return targets


@dataclass(frozen=True)
class Language:
    """Cross-entropy of logits (N, T, tokens) and the token at each place, int64 (N, T); -100 does not count.

    The mean is over tokens, those of all examples of a batch together.
    """

    decide: str = "val_loss"
    targets: ClassVar[Targets] = "tokens"
    functions: ClassVar[Sequence[Callable[..., Any]]] = ()
    is_plain: ClassVar[bool] = False

    @cached_property
    def measures(self) -> Measures:
        """Perplexity, and the accuracy of tokens."""
        return Measures("language", METRICS, self.decide)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the tokens of a batch, in nats."""
        return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum over tokens."""
        return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="sum")

    def weight(self, targets: Tensor) -> Tensor:
        """How many tokens count."""
        return (targets != NO_TOKEN).sum()

    def part(self, outputs: Tensor, targets: Tensor) -> Part:
        """The loss, and how many tokens are right."""
        right = ((outputs.argmax(-1) == targets) & outputs.amax(-1).isfinite()).sum()
        return {"loss": self.total(outputs, targets), "weight": self.weight(targets), "right": right}

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The mean loss and the metrics, over all tokens whatever the parts."""
        weight = summed(parts, "weight")
        loss = summed(parts, "loss") / weight
        perplexity = math.exp(min(loss, LARGEST)) if math.isfinite(loss) else loss
        return Score(loss, count, {"perplexity": perplexity, "token_accuracy": summed(parts, "right") / weight})

    def fingerprint(self) -> dict[str, Any]:
        """Its name, and what decides."""
        return {"name": "language", "decide": self.decide}
