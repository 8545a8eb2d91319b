"""Channels, blocks and groups: whole units go, in exact counts, and a shape that a layer does not have is one line."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as theirs

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.lottery.pruned import prune
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import Layer, dense, kept, prunable
from lth.pruning.schedule import Pruning
from lth.pruning.select import Selection, in_blocks, norms, selection_of


def convolutions() -> nn.Sequential:
    """Convolutions of 8 and 12 channels on 4, and 3 classes; every width is a multiple of 4."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 12, 3), nn.Flatten(), nn.Linear(48, 20), nn.Linear(20, 3))


@pytest.mark.parametrize(("shape", "dim"), [("output", 0), ("input", 1)])
@pytest.mark.parametrize("norm", [1.0, 2.0, float("inf")])
def test_channels_of_each_layer_are_those_of_ln_structured(shape: str, dim: int, norm: float) -> None:
    model = convolutions()
    mask = prune(model, 0.25, granularity=shape, norm=norm)
    assert ("4.weight" in mask) == (shape == "input")  # the outputs of the last layer are the classes
    for name, tensor in mask.items():
        module = model.get_submodule(name.removesuffix(".weight"))
        theirs.ln_structured(module, "weight", amount=0.25, n=norm, dim=dim)
        assert torch.equal(tensor, module.weight_mask.bool()), name


@given(st.sampled_from(["output", "input"]), st.floats(0.1, 0.6), st.sampled_from(["layerwise", "global"]))
def test_channels_go_whole_and_as_many_as_the_level_counts_say(shape: str, fraction: float, scope: str) -> None:
    model = convolutions()
    pruning = Pruning(granularity=shape, fraction=fraction, scope=scope, score="random")
    layers = [layer for layer in prunable(model) if shape == "input" or layer.kind != "output"]
    selection, mask = selection_of(pruning, layers), dense(layers)
    axis = 0 if shape == "output" else 1
    for level, counts in enumerate(level_counts(layers, pruning, 2)):
        scores = {x.name: torch.rand(x.shape, generator=rng(level, x.name)) for x in layers}
        after = selection.choose(scores, mask, counts)
        assert selection.count(after) == counts
        for name, tensor in after.items():
            slices = tensor.movedim(axis, 0).flatten(1)
            assert torch.equal(slices.any(1), slices.all(1)) and not (tensor & ~mask[name]).any()
        mask = after


@given(st.integers(1, 3), st.integers(0, 99))
def test_of_every_m_the_n_highest_stay_out_of_the_alive(keep: int, seed: int) -> None:
    """Against the naive reference, with ties: later places stay, as everywhere."""
    scores = torch.randint(-2, 3, (3, 8, 2), generator=rng(seed)).float()
    alive = torch.rand(scores.shape, generator=rng(seed, 1)) < 0.7
    mask = in_blocks(scores, alive, keep, 4)
    for row in range(3):
        for place in range(2):
            for start in (0, 4):
                inside = [i for i in range(start, start + 4) if alive[row, i, place]]
                best = sorted(inside, key=lambda i: (scores[row, i, place].item(), i))[-keep:]
                positions = mask[row, start : start + 4, place].nonzero().flatten() + start
                assert positions.tolist() == sorted(best)


def test_two_of_four_keeps_half_and_is_reached_at_level_1() -> None:
    model = convolutions()
    mask = prune(model, 0.2, granularity="2:4")
    assert all(int(tensor.sum()) * 2 == tensor.numel() for tensor in mask.values())
    blocks = mask["1.weight"].movedim(1, -1).reshape(-1, 4)
    assert (blocks.sum(1) == 2).all()
    layers = prunable(model)
    assert level_counts(layers, Pruning(granularity="2:4"), 1)[1] == dict.fromkeys(mask, 2)
    with pytest.raises(SettingError, match="levels=2: 2:4 is reached at level 1"):
        level_counts(layers, Pruning(granularity="2:4"), 2)


def test_a_broken_score_is_named_in_blocks_too() -> None:
    with pytest.raises(LotteryError, match="NaN"):
        in_blocks(torch.full((1, 4), torch.nan), torch.ones(1, 4, dtype=torch.bool), 2, 4)


def test_a_norm_of_scores_with_sign_keeps_their_order() -> None:
    scores = torch.tensor([[-3.0, -4.0], [3.0, 4.0], [3.0, -4.0], [0.0, 0.0]])
    assert norms(scores, 0, 2).tolist() == pytest.approx([-5, 5, -(7**0.5), 0])
    assert norms(scores, 0, 1).tolist() == [-7, 7, -1, 0]
    assert norms(scores, 0, torch.inf).tolist() == [-4, 4, -4, 0]


def test_a_group_is_one_ranking_and_layers_are_of_the_first_that_matches() -> None:
    model = convolutions()
    pruning = Pruning(scope="groups", groups={"convs": ["0.*", "1.*"], "rest": ["*"]}, fraction=0.5)
    layers = prunable(model)
    counts = level_counts(layers, pruning, 1)[1]
    assert counts == {"convs": (288 + 864) // 2, "rest": (960 + 60) // 2}
    mask = prune(model, 0.5, scope="groups", groups=pruning.groups)
    convs = prune(model, 0.5, scope="global", exclude=["3.*", "4.*"])
    assert all(torch.equal(mask[name], tensor) for name, tensor in convs.items())
    assert kept(mask)["3.weight"] + kept(mask)["4.weight"] == counts["rest"]


def test_a_transposed_convolution_has_its_channels_on_the_other_axes() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 3), nn.Conv2d(6, 6, 3, groups=2), nn.Flatten(), nn.Linear(5, 2))
    channels = {layer.name: layer.channels for layer in prunable(model)}
    assert channels == {"0.weight": (1, 0), "1.weight": (0, None), "3.weight": (0, 1)}
    mask = prune(model, 0.5, granularity="output")
    assert mask["0.weight"].movedim(1, 0).flatten(1).all(1).tolist().count(True) == 3
    with pytest.raises(SettingError, match=r"pruning.granularity=input: no slice of 1.weight is one channel"):
        prune(model, 0.5, granularity="input")


BAD = [
    ({"granularity": "3:4:5"}, "pruning.granularity=3:4:5: must be weight, output, input, or N:M"),
    ({"granularity": "4:4"}, "pruning.granularity=4:4: must keep at least one of M weights, and fewer"),
    ({"granularity": "0:4"}, "pruning.granularity=0:4"),
    (
        {"granularity": "2:4", "scope": "global"},
        "pruning.scope=global: with granularity=2:4 every block keeps the same number",
    ),
    ({"granularity": "2:4", "layer_densities": "erk"}, "pruning.layer_densities=erk: with granularity=2:4"),
    ({"norm": 0.0}, r"pruning.norm=0\.0: must lie above 0"),
    ({"scope": "groups"}, "pruning.groups=None: goes with pruning.scope=groups"),
    ({"groups": {"a": ["*"]}}, "pruning.groups=.*: goes with"),
    ({"scope": "groups", "groups": {"a": "fc*"}}, "pruning.groups=.*: must name lists of layer patterns"),
    ({"scope": "groups", "groups": {"": ["*"]}}, "pruning.groups=.*: must name lists"),
    (
        {"layer_densities": "even"},
        "pruning.layer_densities=even: must be uniform, erk, sensitivity, or a density for each layer",
    ),
    ({"layer_densities": {"fc*": 1.5}}, r"pruning\.layer_densities\.fc\*=1\.5: must lie above 0"),
    ({"layer_densities": "erk", "scope": "global"}, "pruning.layer_densities=erk: says what each layer keeps"),
    ({"steps": 0}, "pruning.steps=0: must be at least 1"),
    ({"examples": 0}, "pruning.examples=0: must be at least 1"),
    ({"score_at": "start"}, "pruning.score_at=start: must be one of trained, init"),
    ({"score_at": "init", "schedule": "gradual"}, "pruning.schedule=gradual: prunes in training"),
]


@pytest.mark.parametrize(("settings", "problem"), BAD)
def test_choices_that_make_no_sense_are_one_line(settings: dict, problem: str) -> None:
    with pytest.raises(SettingError, match=problem) as caught:
        Pruning(**settings)
    assert "\n" not in str(caught.value)


def test_what_the_layers_do_not_have_is_one_line(make_network: Callable[[], nn.Module]) -> None:
    model = make_network()  # 36-12-8-3
    cases = [
        ({"granularity": "2:8"}, "pruning.granularity=2:8: fc1.weight has 36 inputs, which 8 does not divide"),
        ({"scope": "groups", "groups": {"a": ["fc*"]}}, "output.weight is in no group"),
        ({"scope": "groups", "groups": {"a": ["*"], "b": ["x*"]}}, r"pruning\.groups\.b=.* matches none of fc1"),
        ({"layer_densities": {"fc*": 0.5}}, "has none for output.weight"),
        ({"layer_densities": {"*": 0.5, "x*": 0.1}}, r"pruning\.layer_densities\.x\*=0\.1: matches none of"),
        ({"layer_densities": "erk", "fractions": {"output": 0.1}}, "pruning.fractions=.*must all be equal where"),
        ({"granularity": "output", "exclude": ["fc*"]}, "pruning.granularity=output: leaves nothing to prune"),
    ]
    for how, problem in cases:
        with pytest.raises(SettingError, match=problem):
            prune(model, 0.5, **how)
    groups = {"a": ["fc1*", "output*"], "b": ["*"]}
    with pytest.raises(SettingError, match="must be equal within the group a"):
        prune(model, 0.5, scope="groups", groups=groups, fractions={"output": 0.1})


def test_a_layer_that_would_be_removed_whole_is_one_line_and_changes_nothing() -> None:
    model = convolutions()
    model[1].weight.data.mul_(1e-6)
    before = model[1].weight.clone()
    with pytest.raises(LotteryError, match=r"layer collapse: all 864 weights of 1\.weight would go"):
        prune(model, 0.5, scope="global")
    with pytest.raises(SettingError, match=r"would remove the last channel of 4\.weight"):
        prune(nn.Sequential(*list(model)[:-1], nn.Linear(1, 3)), 0.6, granularity="input")
    assert torch.equal(model[1].weight, before)


def test_a_mask_of_another_model_is_one_line(make_network: Callable[[], nn.Module]) -> None:
    mask = prune(make_network(), 0.5)
    with pytest.raises(LotteryError, match="the mask does not fit"):
        prune(convolutions(), 0.5, mask)
    with pytest.raises(LotteryError, match=r"the mask does not fit: output\.weight is in one of"):
        prune(make_network(), 0.5, {name: x for name, x in mask.items() if name != "output.weight"})


def test_a_selection_counts_channels_that_have_a_weight_left() -> None:
    selection = Selection({"": ["w"]}, "output", {"w": 0})
    mask = {"w": torch.tensor([[True, False], [False, False], [True, True]])}
    assert selection.count(mask) == {"": 2}
    after = selection.choose({"w": torch.tensor([[9.0, 9.0], [9.0, 9.0], [1.0, 1.0]])}, mask, {"": 1})
    assert after["w"].tolist() == [[True, False], [False, False], [False, False]]
    assert Layer("w", (3, 2), "linear").channels == (0, 1)
