"""Whatever a network looks like, the weights that give its outputs are those behind which there is no other weight."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from lth.core.weights import digest
from lth.models import build
from lth.pruning.outputs import UntraceableError, output_axes
from tests.networks import (
    Net,
    bare_matrix,
    hidden,
    hidden_and_out,
    images_to_classes,
    shared,
    tied_language,
    tied_layers,
)

parametrizations = nn.utils.parametrizations
VECTORS, IMAGES, SEQUENCES = torch.zeros(2, 12), torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 12)


def net(function: Callable[[Any, Tensor], Any], **parts: Any) -> Net:
    return Net(function, **hidden_and_out(**parts))


NETWORKS: dict[str, tuple[nn.Module, Tensor, dict[str, set[int]]]] = {
    "the classifier is defined first": (net(lambda n, x: n.out(hidden(n, x))), VECTORS, {"out.weight": {0}}),
    "a layer that is never called": (
        net(lambda n, x: n.out(hidden(n, x)), side=nn.Linear(10, 4)),
        VECTORS,
        {"out.weight": {0}},
    ),
    "a head for training": (
        net(
            lambda n, x: n.out(hidden(n, x)) + (0.3 * n.side(hidden(n, x)) if n.training else 0),
            side=nn.Linear(10, 4),
        ),
        VECTORS,
        {"out.weight": {0}, "side.weight": {0}},
    ),
    "a head whose outputs come beside the others in training": (
        net(
            lambda n, x: (n.out(hidden(n, x)), {"side": n.side(hidden(n, x))}) if n.training else n.out(hidden(n, x)),
            side=nn.Linear(10, 4),
        ),
        VECTORS,
        {"out.weight": {0}, "side.weight": {0}},
    ),
    "a forward pass that fails in training": (
        net(lambda n, x: n.missing if n.training else n.out(hidden(n, x))),
        VECTORS,
        {"out.weight": {0}},
    ),
    "the sum of two heads": (
        net(lambda n, x: n.out(hidden(n, x)) + n.skip(x), skip=nn.Linear(12, 4)),
        VECTORS,
        {"out.weight": {0}, "skip.weight": {0}},
    ),
    "heads side by side, and log probabilities": (
        net(
            lambda n, x: functional.log_softmax(torch.cat([n.out(hidden(n, x)), n.more(hidden(n, x))], 1), 1),
            more=nn.Linear(10, 2),
        ),
        VECTORS,
        {"out.weight": {0}, "more.weight": {0}},
    ),
    "a residual connection to the outputs": (
        Net(
            lambda n, x: (h := n.first(x)) + n.second(torch.relu(h)),
            first=nn.Linear(12, 4),
            second=nn.Linear(4, 4),
        ),
        VECTORS,
        {"first.weight": {0}, "second.weight": {0}},
    ),
    "a bias with two dimensions, a temperature, normalisation": (
        net(
            lambda n, x: (n.norm(n.out(hidden(n, x))) + n.bias) * n.temperature,
            norm=nn.BatchNorm1d(4),
            bias=nn.Parameter(torch.zeros(1, 4)),
            temperature=nn.Parameter(torch.ones(1, 1)),
        ),
        VECTORS,
        {"out.weight": {0}, "bias": {0, 1}, "temperature": {0, 1}},
    ),
    "a convolution before pooling": (images_to_classes(nn.Conv2d(8, 4, 1)), IMAGES, {"classifier.weight": {0}}),
    "a transposed one": (images_to_classes(nn.ConvTranspose2d(8, 4, 2)), IMAGES, {"classifier.weight": {1}}),
    "a convolution that is flattened": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 6), nn.Flatten()),
        IMAGES,
        {"2.weight": {0}},
    ),
    "a recurrent network": (
        Net(
            lambda n, x: n.out(n.lstm(x)[0][:, -1]),
            out=nn.Linear(6, 4),
            lstm=nn.LSTM(12, 6, batch_first=True),
        ),
        SEQUENCES,
        {"out.weight": {0}},
    ),
    "recurrent outputs": (
        Net(lambda n, x: n.gru(n.first(x))[0][:, -1], first=nn.Linear(12, 5), gru=nn.GRU(5, 4, batch_first=True)),
        SEQUENCES,
        {"gru.weight_ih_l0": {0}, "gru.weight_hh_l0": {0, 1}},
    ),
    "a transformer": (
        Net(
            lambda n, x: n.out(n.encoder(x).mean(1)),
            out=nn.Linear(12, 4),
            encoder=nn.TransformerEncoderLayer(12, 2, 16, batch_first=True),
        ),
        SEQUENCES,
        {"out.weight": {0}},
    ),
    "attention outputs": (
        Net(
            lambda n, x: n.attention(h := n.first(x), h, h)[0].mean(1),
            first=nn.Linear(12, 4),
            attention=nn.MultiheadAttention(4, 2, batch_first=True),
        ),
        SEQUENCES,
        {"attention.out_proj.weight": {0}},
    ),
    "words, with a tied output": (tied_language(), torch.zeros(2, 5, dtype=torch.int64), {"embedding.weight": {0}}),
    "words as floats": (tied_language(), torch.zeros(2, 5), {"embedding.weight": {0}}),
    "whole numbers that become floats": (
        net(lambda n, x: n.out(hidden(n, x.float() / 255))),
        VECTORS.to(torch.uint8),
        {"out.weight": {0}},
    ),
    "whole numbers that become one-hot": (
        net(lambda n, x: n.out(hidden(n, functional.one_hot(x[:, 0], 12).float()))),
        VECTORS.long(),
        {"out.weight": {0}},
    ),
    "two layers with one weight": (tied_layers(), VECTORS, {"out.weight": {0}}),
    "a hidden layer that shares the output's weight": (
        shared(
            Net(lambda n, x: n.out(torch.relu(n.hidden(x))), hidden=nn.Linear(12, 12), out=nn.Linear(12, 12)),
            "hidden.weight",
            "out",
        ),
        VECTORS,
        {"hidden.weight": {0}},
    ),
    "an autoencoder with one weight": (
        Net(lambda n, x: functional.linear(torch.relu(n.encoder(x)), n.encoder.weight.t()), encoder=nn.Linear(12, 7)),
        VECTORS,
        {"encoder.weight": {1}},
    ),
    "a convolutional one": (
        Net(
            lambda n, x: functional.conv_transpose2d(torch.relu(n.encoder(x)), n.encoder.weight).mean((2, 3)),
            encoder=nn.Conv2d(3, 7, 3),
        ),
        IMAGES,
        {"encoder.weight": {1}},
    ),
    "a layer that is not called but used": (
        net(lambda n, x: hidden(n, x) @ n.out.weight.t()),
        VECTORS,
        {"out.weight": {0}},
    ),
    "a sum over indices, which may turn the weight": (
        net(lambda n, x: torch.einsum("nd,kd->nk", hidden(n, x), n.out.weight)),
        VECTORS,
        {"out.weight": {0, 1}},
    ),
    "products and sums by hand": (
        net(lambda n, x: (hidden(n, x)[:, None] * n.out.weight).sum(-1)),
        VECTORS,
        {"out.weight": {0, 1}, "hidden.weight": {0}},
    ),
    "a normalised classifier": (
        net(lambda n, x: functional.linear(hidden(n, x), functional.normalize(n.out.weight))),
        VECTORS,
        {"out.weight": {0, 1}},
    ),
    "a bare parameter": (
        Net(lambda n, x: hidden(n, x) @ n.matrix, hidden=nn.Linear(12, 10), matrix=nn.Parameter(torch.ones(10, 4))),
        VECTORS,
        {"matrix": {1}},
    ),
    "a layer with a bare parameter": (bare_matrix(), VECTORS, {"out.weight": {0}}),
    "a parametrised classifier": (
        net(lambda n, x: n.out(hidden(n, x)), out=parametrizations.spectral_norm(nn.Linear(10, 4))),
        VECTORS,
        {"out.parametrizations.weight.original": {0, 1}},
    ),
    "one by hooks": (
        nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.utils.spectral_norm(nn.Linear(10, 4))),
        VECTORS,
        {"2.weight_orig": {0, 1}},
    ),
    "a checkpointed layer": (
        net(lambda n, x: checkpoint(n.out, hidden(n, x), use_reentrant=False)),
        VECTORS,
        {"out.weight": {0}},
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", NETWORKS)
def test_the_first_weights_behind_the_outputs(case: str) -> None:
    network, examples, expected = NETWORKS[case]
    network.train()
    before, generator = digest(network.state_dict()), torch.get_rng_state()
    assert output_axes(network, examples) == expected
    assert digest(network.state_dict()) == before and network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("name", ["lenet_300_100", "lenet5", "conv2", "resnet18", "resnet20"])
def test_in_lths_own_networks_that_is_the_last_linear(name: str) -> None:
    model = build(name, (3, 32, 32), 10, None)
    *_, last = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    assert output_axes(model, torch.zeros(2, 3, 32, 32)) == {f"{last}.weight": {0}}


def test_frozen_layers_count() -> None:
    network, _, expected = NETWORKS["the classifier is defined first"]
    network.requires_grad_(False)
    try:
        assert output_axes(network, VECTORS) == expected
        assert not any(parameter.requires_grad for parameter in network.parameters())
    finally:
        network.requires_grad_(True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda n, x: n.out(hidden(n, x)).detach(), "autograd does not record"),
        (lambda n, x: checkpoint(n.out, hidden(n, x), use_reentrant=True), "CheckpointFunction hides"),
        (lambda n, x: n.nothing, "has no attribute 'nothing'"),
    ],
)
def test_what_autograd_does_not_tell_is_said(function: Callable[[Any, Tensor], Any], reason: str) -> None:
    with pytest.raises(UntraceableError, match=reason) as caught:
        output_axes(net(function), VECTORS)
    assert "\n" not in str(caught.value)
