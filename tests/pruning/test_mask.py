"""What is prunable, and masks as data."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.models.lenet import lenet5
from lth.pruning.mask import dense, density, kept, prunable, shuffled
from tests.networks import bare_matrix, tied_language, tied_layers


def test_weights_of_linear_and_convolution_layers_and_no_others() -> None:
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3),
        nn.BatchNorm1d(3),
        nn.ConvTranspose1d(3, 2, 3),
        nn.LayerNorm(8),
        nn.Flatten(),
        nn.Embedding(5, 4),
        nn.PReLU(),
        nn.Bilinear(2, 2, 2),
        nn.Linear(16, 4, bias=False),
        nn.Conv2d(1, 1, 2),
        nn.Conv3d(1, 1, 2),
    )
    layers = prunable(model)
    assert [layer.name for layer in layers] == ["0.weight", "2.weight", "8.weight", "9.weight", "10.weight"]
    assert [layer.kind for layer in layers] == ["conv", "conv", "output", "conv", "conv"]
    assert [layer.size for layer in layers] == [18, 18, 64, 4, 8] and layers[0].shape == (3, 2, 3)


def test_the_output_is_the_last_linear_or_the_named_layer() -> None:
    kinds = {layer.name.split(".")[0]: layer.kind for layer in prunable(lenet5((1, 28, 28), 10))}
    assert kinds == {"conv1": "conv", "conv2": "conv", "fc1": "linear", "fc2": "linear", "output": "output"}
    named = {layer.name.split(".")[0]: layer.kind for layer in prunable(lenet5((1, 28, 28), 10), output="fc1")}
    assert named["fc1"] == "output" and named["output"] == "linear"
    assert [layer.kind for layer in prunable(nn.Sequential(nn.Conv2d(1, 1, 1)))] == ["conv"]


def test_a_convolution_can_be_the_output_and_a_lone_layer_has_no_prefix() -> None:
    assert prunable(nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 1, 1)), output="1")[1].kind == "output"
    assert [(layer.name, layer.kind) for layer in prunable(nn.Linear(2, 2))] == [("weight", "output")]


def test_excluded_patterns_are_left_out() -> None:
    model = lenet5((1, 28, 28), 10)
    assert [x.name for x in prunable(model, ["conv*", "output.weight"])] == ["fc1.weight", "fc2.weight"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"exclude": ["fc9*"]}, r"pruning\.exclude=fc9\*: matches none of conv1\.weight"),
        ({"exclude": ["*"]}, r"pruning\.exclude=\['\*'\]: leaves nothing"),
        ({"output": "head"}, r"pruning\.output=head: no such layer; the model has conv1"),
    ],
)
def test_a_name_that_is_not_there_is_an_error(settings: dict, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        prunable(lenet5((1, 28, 28), 10), **settings)


def test_a_model_without_prunable_layers_is_an_error() -> None:
    with pytest.raises(LotteryError, match="no Linear or convolution layer"):
        prunable(nn.Sequential(nn.BatchNorm1d(3)))


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (tied_layers(), ["first.weight", "a.weight", "out.weight"]),
        (tied_language(), ["hidden.weight", "embedding.weight"]),
        (bare_matrix(), ["matrix", "out.weight"]),
    ],
)
def test_a_shared_weight_has_the_first_name_that_the_model_has_for_it(model: nn.Module, names: list[str]) -> None:
    layers = prunable(model)
    assert [layer.name for layer in layers] == names and layers[-1].kind == "output"
    parameters = dict(model.named_parameters())
    assert all(layer.shape == parameters[layer.name].shape for layer in layers)


@pytest.mark.parametrize("output", ["heads.*", "heads.?", "heads.[01]"])
def test_a_pattern_names_several_outputs(output: str) -> None:
    model = nn.Sequential(OrderedDict(first=nn.Linear(4, 4), heads=nn.Sequential(nn.Linear(4, 2), nn.Linear(4, 2))))
    kinds = {layer.name: layer.kind for layer in prunable(model, output=output)}
    assert kinds == {"first.weight": "linear", "heads.0.weight": "output", "heads.1.weight": "output"}


def test_traced_outputs_come_before_the_order_of_definition_and_named_ones_before_both() -> None:
    model, traced = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(4, 4, 1), nn.Linear(4, 4)), {"1.weight": frozenset({0})}
    assert [layer.kind for layer in prunable(model)] == ["linear", "conv", "output"]
    assert [layer.kind for layer in prunable(model, traced=traced)] == ["linear", "output", "linear"]
    assert [layer.kind for layer in prunable(model, traced={})] == ["linear", "conv", "linear"]
    named = prunable(model, output="0", traced=traced)
    assert [layer.kind for layer in named] == ["output", "conv", "linear"] and named[0].output_axes == {0}


parametrizations = nn.utils.parametrizations


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("change", "source"),
    [
        (parametrizations.weight_norm, "parametrizations.weight.original0, "),
        (parametrizations.spectral_norm, "parametrizations.weight.original"),
        (parametrizations.orthogonal, "parametrizations.weight.original"),
        (lambda layer: nn.utils.weight_norm(layer), "weight_g, "),
        (nn.utils.spectral_norm, "weight_orig"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 0.5), "weight_orig"),
    ],
)
def test_parametrised_weights_are_not_prunable_and_a_model_of_them_alone_is_refused(
    change: Callable[[nn.Module], nn.Module], source: str
) -> None:
    layers = [change(nn.Linear(4, 4)), change(nn.Linear(4, 3))]
    assert [layer.name for layer in prunable(nn.Sequential(*layers, nn.Linear(3, 3)))] == ["2.weight"]
    for model, place in ((nn.Sequential(*layers), "0."), (layers[0], "")):
        with pytest.raises(LotteryError, match=f"^{place}weight is parametrised, computed from {place}{source}"):
            prunable(model)


def test_layers_of_torchs_own_modules_and_subclasses_are_prunable() -> None:
    class Scaled(nn.Linear):
        """A layer of one's own."""

    model = nn.Sequential(Scaled(8, 8), nn.TransformerEncoderLayer(8, 2, 16))
    named = ["0.weight", *(f"1.{name}.weight" for name in ("self_attn.out_proj", "linear1", "linear2"))]
    assert [layer.name for layer in prunable(model)] == named


def test_shared_weights_count_once() -> None:
    first = nn.Linear(4, 4)
    second = nn.Linear(4, 4)
    second.weight = first.weight
    model = nn.Sequential(OrderedDict(a=first, b=second, again=first, c=nn.Linear(4, 2)))
    assert [layer.name for layer in prunable(model)] == ["a.weight", "c.weight"]


def test_dense_keeps_all_and_density_is_kept_over_prunable() -> None:
    mask = dense(prunable(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))))
    assert density(mask) == 1 and kept(mask) == {"0.weight": 6, "1.weight": 2}
    mask["0.weight"][0] = False
    assert density(mask) == 5 / 8 and kept(mask) == {"0.weight": 3, "1.weight": 2}


@given(st.integers(0, 60), st.integers(0, 99))
def test_shuffled_keeps_each_count_and_shape(alive: int, seed: int) -> None:
    mask = {"w": (torch.arange(60) < alive).reshape(3, 4, 5), "v": torch.arange(7) < 3}
    result = shuffled(mask, rng(seed))
    assert kept(result) == kept(mask) and result["w"].shape == (3, 4, 5) and result["w"].dtype == torch.bool


def test_shuffled_moves_something_and_leaves_its_argument() -> None:
    mask = {"w": torch.arange(64) < 20, "v": torch.arange(64) < 20}
    result = shuffled(mask, rng(0))
    assert not torch.equal(result["w"], mask["w"]) and not torch.equal(result["w"], result["v"])
    assert torch.equal(mask["w"], torch.arange(64) < 20)
    assert torch.equal(shuffled(mask, rng(0))["w"], result["w"])


def test_shuffled_is_uniform_over_places() -> None:
    mask = {"w": torch.arange(10) < 3}
    counts = sum(shuffled(mask, rng(seed))["w"].int() for seed in range(1000))
    assert bool(((counts - 300).abs() < 60).all())  # over four standard deviations of a binomial
