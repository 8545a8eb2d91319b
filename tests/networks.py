"""Networks that users bring: each is one way in which a layer is not where, or what, one expects."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    """A network of the `parts`, whose forward pass is `function` of it and the inputs."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, inputs: Tensor) -> Any:
        """What the function gives."""
        return self.function(self, inputs)


def hidden_and_out(**parts: nn.Module | nn.Parameter) -> dict[str, nn.Module | nn.Parameter]:
    """The layers 12 -> 10 -> 4, defined with the last one first."""
    return {"out": nn.Linear(10, 4), "hidden": nn.Linear(12, 10), **parts}


def hidden(net: Any, inputs: Tensor) -> Tensor:
    """The hidden units."""
    return torch.relu(net.hidden(inputs))


def shared(net: Net, place: str, other: str) -> Net:
    """`net` with the weight of the layer `place` in place of that of the layer `other`."""
    net.get_submodule(other).weight = net.get_parameter(place)
    return net


def tied_language() -> Net:
    """Words to a score for each of twelve; the output shares its weight with the embedding."""
    parts = {"embedding": nn.Embedding(12, 16), "hidden": nn.Linear(16, 16), "decoder": nn.Linear(16, 12, bias=False)}
    net = Net(lambda net, words: net.decoder(torch.relu(net.hidden(net.embedding(words.long() % 12).mean(1)))), **parts)
    return shared(net, "embedding.weight", "decoder")


def bare_matrix() -> Net:
    """A hidden layer whose weight is a parameter of the network itself, under another name."""
    parts = {"matrix": nn.Parameter(torch.randn(10, 12)), "hidden": nn.Linear(12, 10), "out": nn.Linear(10, 4)}
    return shared(Net(lambda net, x: net.out(hidden(net, x)), **parts), "matrix", "hidden")


def tied_layers() -> Net:
    """Two hidden layers of 12 units with one weight."""
    parts = {name: nn.Linear(12, 12, bias=name == "first") for name in ("first", "a", "b")}
    net = Net(lambda net, x: net.out(functional.relu(net.b(functional.relu(net.a(net.first(x)))))), **parts)
    net.out = nn.Linear(12, 4)
    return shared(net, "a.weight", "b")


def layer_twice() -> Net:
    """A hidden layer that is called twice, once by the name of another module that holds it."""
    parts = {"first": nn.Linear(12, 12), "again": nn.Sequential(), "out": nn.Linear(12, 4)}
    net = Net(lambda net, x: net.out(torch.relu(net.again(torch.relu(net.first(x))))), **parts)
    net.again.append(net.first)
    return net


SHARED: dict[str, Callable[[], Net]] = {
    "two layers": tied_layers,
    "an embedding and the output": tied_language,
    "a layer and a bare parameter": bare_matrix,
    "one layer twice": layer_twice,
}
"""Networks with a weight under several names, by what shares it; all take (N, 12)."""


def images_to_classes(classifier: nn.Module) -> Net:
    """A convolution to eight channels, then `classifier`, then pooling; the classifier is defined first."""
    pooled = lambda net, x: net.classifier(torch.relu(net.features(x))).mean((2, 3))  # noqa: E731
    return Net(pooled, classifier=classifier, features=nn.Conv2d(3, 8, 3, padding=1))
