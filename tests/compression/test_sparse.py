"""A CSR network gives what its dense one gives."""

import copy

import pytest
import torch
from torch import nn

from lth.compression.sparse import CsrConv2d, CsrLinear, csr_network
from tests.networks import SHARED


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 5),
        nn.Linear(6, 5, bias=False),
        nn.Conv2d(3, 5, 3, padding=1),
        nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2), bias=False),
    ],
    ids=["linear", "without bias", "convolution", "strided, dilated"],
)
def test_outputs_are_those_of_the_dense_layer(layer: nn.Module) -> None:
    with torch.no_grad():
        layer.weight.mul_(torch.rand(layer.weight.shape) < 0.4)
        layer.weight[1] = 0  # an empty row
    images = torch.randn(2, 3, 7, 6)
    network = csr_network(layer)
    assert isinstance(network, CsrLinear | CsrConv2d)
    torch.testing.assert_close(network(images), layer(images))
    assert network.weight.values().count_nonzero() == len(network.weight.values()) == layer.weight.count_nonzero()


def test_what_csr_cannot_do_stays_dense_and_the_model_as_it_was() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)),
    )
    before, images = copy.deepcopy(model.state_dict()), torch.randn(2, 4, 5, 5)
    network = csr_network(model)
    assert [type(layer) for layer in network][:3] == [nn.Conv2d] * 3 and isinstance(network[3][1], CsrConv2d)
    torch.testing.assert_close(network(images), model.eval()(images))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", SHARED)
def test_layers_that_share_a_weight_are_all_replaced(kind: str) -> None:
    model = SHARED[kind]().eval()
    network, inputs = csr_network(model), (torch.arange(60.0).reshape(5, 12) * 7) % 12
    assert not any(isinstance(module, nn.Linear) for module in network.modules())
    torch.testing.assert_close(network(inputs), model(inputs))
