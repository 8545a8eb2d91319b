"""All parameters of a network, and those that masks leave alone."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.core.errors import LotteryError
from lth.pruning.mask import dense, prunable
from lth.pruning.parameters import check_parameters, parameter_count, parameter_density, unpruned
from tests.networks import Net, bare_matrix, hidden, hidden_and_out, tied_language, tied_layers

SIZES = {tied_layers: 12 * 12 + 12 + 12 * 12 + 4 * 13, tied_language: 12 * 16 + 16 * 17, bare_matrix: 130 + 44}


@pytest.mark.parametrize("make", SIZES)
def test_a_shared_parameter_counts_once(make: Callable[[], nn.Module]) -> None:
    assert parameter_count(make()) == SIZES[make]


@given(st.integers(0, 100), st.integers(0, 48))
def test_the_density_of_all_parameters_counts_what_no_mask_prunes(first: int, second: int) -> None:
    """Of 10 x 12 + 10 + 4 x 10 + 4 and of a bare 5 x 4: 194 in all."""
    model = Net(lambda net, x: net.out(hidden(net, x)), **hidden_and_out(matrix=nn.Parameter(torch.ones(5, 4))))
    mask = dense(prunable(model))
    mask["hidden.weight"].flatten()[:first] = False
    mask["out.weight"].flatten()[:second] = False
    assert parameter_density(model, mask) == (194 - first - min(second, 40)) / 194
    half = nn.Linear(4, 4)
    assert parameter_density(half, dense(prunable(half)), dense=model) == 20 / 194


def test_parameters_of_two_dimensions_that_no_mask_covers() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 5), nn.LayerNorm(5), nn.Linear(5, 2))
    recurrent = {"1.weight_ih_l0": 80, "1.weight_hh_l0": 100}
    assert unpruned(model, ["3.weight"]) == {"0.weight": 36, **recurrent}
    assert unpruned(model, ["3.weight"], ["0.*", "*_hh_*"]) == {"1.weight_ih_l0": 80}
    assert unpruned(model, ["0.weight", *recurrent], ["3*"]) == {}


def test_a_lazy_module_is_named_until_it_has_shapes() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LazyLinear(2))
    for check in (check_parameters, prunable):
        with pytest.raises(LotteryError, match=r"1\.weight has no shape yet, as its module is lazy"):
            check(model)
    model(torch.zeros(2, 3))
    check_parameters(model)
    assert [layer.name for layer in prunable(model)] == ["0.weight", "1.weight"]


def test_parameters_that_share_memory_alone_are_refused_and_shared_ones_are_not() -> None:
    for make in SIZES:
        check_parameters(make())
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3))
    model[1].weight = nn.Parameter(model[0].weight.t())
    with pytest.raises(LotteryError, match=r"1\.weight shares its memory with 0\.weight and is another parameter"):
        check_parameters(model)
