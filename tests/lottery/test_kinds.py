"""The laws of masks, arms and rewinding, for every kind of parameter that masks can cover."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import lth
from lth.compression.cost import cost
from lth.compression.export import FORMATS, export, load_exported
from lth.core.errors import LotteryError, SettingError
from lth.core.seeds import Seeds
from lth.core.weights import clone, load, shared_names
from lth.data.checks import NAMES
from lth.data.preparation import prepare
from lth.kernels.trials import eligible
from lth.lottery.arms import Outcome
from lth.lottery.context import FreshInit
from lth.lottery.interchange import from_torch_pruning, to_torch_pruning
from lth.lottery.plan import ImpPlan
from lth.lottery.ticket import load_ticket
from lth.models.initialize import initialize
from lth.pruning.mask import prunable
from lth.pruning.resolved import resolve
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.searching import search
from lth.training.loop import train
from lth.training.recipe import Recipe
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec
from tests.networks import Net, tied_language

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch says it once a process
X = torch.randn(60, 12, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long() + 2 * (X[:, 1] > 0).long()
RECIPE = Recipe(iterations=8, batch_size=20, lr=0.05, optimizer="adamw", weight_decay=0.1, evaluate_every=8)
ARMS = ["ticket", "reinit", "reinit_plus", "shuffle", "rigl"]


def words(inputs: Tensor) -> Tensor:
    return (inputs.abs() * 4).long().clamp(max=11)


def recurrent(kind: type[nn.RNNBase], **settings: int) -> Net:
    parts = {"cells": kind(3, 6, batch_first=True, **settings)}
    width = settings.get("proj_size") or 6
    return Net(lambda net, x: net.out(net.cells(x.view(-1, 4, 3))[0][:, -1]), **parts, out=nn.Linear(width, 4))


def attentive(**settings: int) -> Net:
    parts = {"first": nn.Linear(3, 8), "attention": nn.MultiheadAttention(8, 2, batch_first=True, **settings)}

    def forward(net: Net, x: Tensor) -> Tensor:
        tokens = net.first(x.view(-1, 4, 3))
        sides = tokens[..., : settings.get("kdim", 8)]
        return net.out(net.attention(tokens, sides, sides)[0].mean(1))

    return Net(forward, **parts, out=nn.Linear(8, 4))


def transposed(groups: int = 1) -> Net:
    parts = {"up": nn.ConvTranspose1d(4, 6, 3, groups=groups), "out": nn.Linear(30, 4)}
    return Net(lambda net, x: net.out(torch.relu(net.up(x.view(-1, 4, 3))).flatten(1)), **parts)


def embedded() -> Net:
    parts = {"words": nn.Embedding(12, 8), "out": nn.Linear(8, 4)}
    return Net(lambda net, x: net.out(net.words(words(x)).mean(1)), **parts)


def bare() -> Net:
    parts = {"matrix": nn.Parameter(torch.randn(12, 8) / 4), "out": nn.Linear(8, 4)}
    return Net(lambda net, x: net.out(torch.tanh(x @ net.matrix)), **parts)


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4))


@dataclass(frozen=True)
class Kind:
    """A network by `make`, the patterns that name parameters of it, what they match, and the kind of that."""

    make: Callable[[], nn.Module]
    include: Sequence[str]
    names: Sequence[str]
    kind: str


CELLS = ["cells.weight_ih_l0", "cells.weight_hh_l0"]
KINDS = {
    "transposed convolution": Kind(transposed, [], ["up.weight"], "conv"),
    "in groups": Kind(lambda: transposed(2), [], ["up.weight"], "conv"),
    "embedding": Kind(embedded, ["words.*"], ["words.weight"], "embedding"),
    "tied embedding": Kind(tied_language, ["embedding.weight", "decoder.weight"], ["embedding.weight"], "output"),
    "attention": Kind(attentive, ["*.in_proj_weight"], ["attention.in_proj_weight"], "attention"),
    "attention to others": Kind(
        lambda: attentive(kdim=4, vdim=4),
        ["*_proj_weight"],
        [f"attention.{letter}_proj_weight" for letter in "qkv"],
        "attention",
    ),
    "LSTM": Kind(lambda: recurrent(nn.LSTM), ["cells.weight*"], CELLS, "recurrent"),
    "projected LSTM": Kind(
        lambda: recurrent(nn.LSTM, proj_size=5), ["cells.weight*"], [*CELLS, "cells.weight_hr_l0"], "recurrent"
    ),
    "GRU": Kind(lambda: recurrent(nn.GRU), CELLS, CELLS, "recurrent"),
    "RNN": Kind(lambda: recurrent(nn.RNN), CELLS, CELLS, "recurrent"),
    "bare parameter": Kind(bare, ["matrix"], ["matrix"], "other"),
    "bias": Kind(plain, ["*.bias"], ["0.bias", "2.bias"], "other"),
}


def searched(kind: Kind, recipe: Recipe = RECIPE, arms: Sequence[str] = ARMS) -> tuple[list[Outcome], list[RunSpec]]:
    """A search of two levels with a rewind point, and the training up to it with those of every arm."""
    specs: list[RunSpec] = []

    def fit(spec: RunSpec) -> RunResult:
        specs.append(spec)
        return train(spec)

    data = prepare("kinds", dict(zip(NAMES, (X, Y) * 2, strict=True)), validation=10, normalize="none")
    pruning = Pruning(fraction=0.4, include=list(kind.include))
    plan = ImpPlan(recipe, pruning, 2, 2, arms, rewiring=Rewiring(0.3, 3))
    fresh = FreshInit(kind.make, "default")
    model = fresh.constructed(0)
    return list(search(model, fresh(0), data, Seeds().resolved(), plan, fit, fresh)), specs


@pytest.mark.parametrize("name", KINDS)
def test_masks_arms_and_rewinding_hold_for_every_kind_of_parameter(name: str) -> None:
    kind = KINDS[name]
    outcomes, specs = searched(kind)
    tickets = [outcome for outcome in outcomes if outcome.arm == "ticket"]
    rewound = tickets[0].spec.initial_state
    assert specs[0].plan.stop == 2 and len(specs) == 1 + len(outcomes)
    sizes = {key: tickets[0].spec.mask[key].numel() for key in tickets[0].spec.mask}
    assert set(kind.names) <= set(sizes)
    counts = dict(sizes)
    for before, after in pairwise(tickets):  # exact counts, masks only shrink
        counts = {key: count - round(0.4 * count) for key, count in counts.items()}
        assert {key: int(kept.sum()) for key, kept in after.spec.mask.items()} == counts
        assert not any((after.spec.mask[key] & ~before.spec.mask[key]).any() for key in counts)
    shared = shared_names(tickets[0].spec.model.state_dict())
    for outcome in outcomes:
        mask, level = outcome.result.mask(outcome.spec.mask), outcome.level.spec.mask
        for key, kept in mask.items():  # what is pruned stays exactly zero, under every name
            assert not outcome.result.final[key][~kept].any()
            assert int(kept.sum()) == int(level[key].sum())
        for other, first in shared.items():
            assert other not in mask and torch.equal(outcome.result.final[other], outcome.result.final[first])
        drawn, initial = outcome.spec.initial_state, outcome.level.index and outcome.arm in ("reinit", "reinit_plus")
        for key in kind.names:
            if outcome.arm in ("ticket", "shuffle"):  # a rewind is bit-equal
                assert torch.equal(drawn[key], rewound[key])
            if outcome.arm == "shuffle":
                assert kept.all() or not torch.equal(mask[key], level[key])
            elif outcome.arm != "rigl":
                assert torch.equal(mask[key], level[key])
            assert not initial or not torch.equal(drawn[key], rewound[key])


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_a_layer_once_and_has_a_fraction_of_its_own(name: str) -> None:
    kind = KINDS[name]
    model = kind.make()
    layers = {layer.name: layer for layer in prunable(model, include=kind.include)}
    assert all(layers[key].kind == kind.kind for key in kind.names)
    assert list(layers) == [key for key, _ in model.named_parameters() if key in layers]
    assert len(layers) == len(kind.names) + sum(key not in kind.names for key in layers)
    resolved = resolve(model, Pruning(fraction=0.2, fractions={kind.kind: 0.5}, include=list(kind.include)), 1)
    left = resolved.level_counts[1]
    assert all(left[key] == layers[key].size - round(0.5 * layers[key].size) for key in kind.names)


@pytest.mark.parametrize("kernels", ["sparse", "auto"])
@pytest.mark.parametrize("name", KINDS)
def test_with_sparse_kernels_the_results_are_those_of_dense_ones(name: str, kernels: str) -> None:
    recipe = Recipe(8, 20, lr=0.1, optimizer="sgd", evaluate_every=8)  # Adam takes whole steps along rounding errors
    ways = [replace(recipe, kernels=way) for way in ("dense", kernels)]
    dense, sparse = (searched(KINDS[name], way, ["ticket", "rigl"])[0] for way in ways)
    for expected, outcome in zip(dense, sparse, strict=True):
        for key, kept in expected.result.mask(expected.spec.mask).items():
            assert torch.equal(outcome.result.mask(outcome.spec.mask)[key], kept)
            assert not outcome.result.final[key][~kept].any()
        for key, tensor in expected.result.final.items():
            torch.testing.assert_close(outcome.result.final[key], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("bare parameter", "tied embedding")])
def test_the_trial_of_sparse_products_finds_that_a_parameter_is_used_otherwise(name: str) -> None:
    kind = KINDS[name]
    model = kind.make()
    masks = {layer.name: torch.rand(layer.shape) < 0.5 for layer in prunable(model, include=kind.include)}
    reasons = eligible(model, masks, X[:4])
    assert all(reasons[key] for key in kind.names) and any(reason is None for reason in reasons.values())


@pytest.mark.parametrize("name", [name for name in KINDS if name != "tied embedding"])
def test_tickets_and_torchs_pruning_hold_them(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    ticket = searched(kind, arms=["ticket"])[0][-1].level.ticket(seed=0)
    loaded = load_ticket(ticket.save(tmp_path / "ticket.safetensors"))
    assert loaded.mask.keys() == ticket.mask.keys() and loaded.density == ticket.density
    model = to_torch_pruning(loaded, kind.make())
    model(X)
    back = from_torch_pruning(model)
    assert all(torch.equal(back.mask[key], kept) for key, kept in ticket.mask.items())
    assert all(torch.equal(back.state[key], tensor) for key, tensor in ticket.state.items())


@pytest.mark.parametrize("name", KINDS)
def test_exported_files_hold_them_and_costs_count_them_once(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    model = kind.make()
    mask = {layer.name: torch.rand(layer.shape) < 0.5 for layer in prunable(model, include=kind.include)}
    load(model, clone(model.state_dict()), mask)
    measured = cost(model, model, X[:2], mask=mask, forms=[], batches=[])
    kept = {row["layer"]: row["kept"] for row in measured.layers if row["kept"] is not None}
    kept.pop("decoder", None)  # it shares the embedding's weight
    assert sum(kept.values()) == sum(int(x.sum()) for x in mask.values())
    assert all(row["flops"] > 0 or row["kind"] == "Embedding" for row in measured.layers)
    for form in FORMATS:
        export(tmp_path / form, model.state_dict(), mask, form)
        for key, tensor in load_exported(tmp_path / form).items():
            torch.testing.assert_close(tensor, model.state_dict()[key], rtol=0, atol=0.05 if "int8" in form else 0)


@pytest.mark.parametrize("name", ["embedding", "attention", "LSTM", "bare parameter", "bias"])
def test_a_narrow_network_is_refused_where_masks_cover_other_parameters(name: str) -> None:
    problem = f"arms=small_dense: .* alone, and {KINDS[name].names[0]} is pruned too|narrows only a plain sequence"
    with pytest.raises(SettingError, match=problem):
        searched(KINDS[name], arms=["ticket", "small_dense"])


REFUSED = {
    "nothing": (["wrods*"], r"pruning\.include=wrods\*: matches no parameter of the model; the nearest are words\.w"),
    "a number": (["scale"], "scale is a single number without a dimension"),
    "integers": (["whole"], "whole holds no floating-point numbers"),
    "a buffer": (["norm.running_mean"], "norm.running_mean is a buffer, which is not trained"),
    "a computed weight": (["normed.weight"], r"normed\.weight is parametrised, computed from others by normed: remove"),
    "its source": (["normed.*"], r"normed\.parametrizations\.weight\.original0 is what a parametrisation of normed"),
    "its source of old": (["old.weight_g"], r"old\.weight_g is what a parametrisation of old computes"),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_a_pattern_that_names_what_cannot_be_pruned_is_one_line(name: str) -> None:
    parts = {
        "words": nn.Embedding(5, 3),
        "scale": nn.Parameter(torch.tensor(1.0)),
        "whole": nn.Parameter(torch.arange(3), requires_grad=False),
        "norm": nn.BatchNorm1d(3),
        "normed": nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
        "old": nn.utils.weight_norm(nn.Linear(3, 3)),
        "out": nn.Linear(3, 3),
    }
    model, (include, problem) = Net(lambda net, x: x, **parts), REFUSED[name]
    with pytest.raises(SettingError, match=problem) as raised:
        prunable(model, include=include)
    assert "\n" not in str(raised.value)
    others = ["scale", "whole", "normed*", "old*"]
    assert [x.name for x in prunable(model, others, include=["*"])] == [
        "words.weight", "norm.weight", "norm.bias", "out.weight", "out.bias"
    ]  # fmt: skip


def test_channels_and_blocks_of_a_transposed_convolution_lie_along_its_own_axes() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(8, 6, 3), nn.Flatten(), nn.Linear(54, 4))
    for granularity, axis, units in (("output", 1, 6), ("input", 0, 8)):
        resolved = resolve(model, Pruning(fraction=0.5, granularity=granularity), 1, examples=torch.zeros(2, 8, 1, 1))
        assert resolved.selection.axes["0.weight"] == axis and resolved.level_counts[0]["0.weight"] == units
    resolved = resolve(model[:1], Pruning(granularity="2:4"), 1)
    scores = {"0.weight": torch.rand(8, 6, 3, 3)}
    mask = resolved.selection.choose(scores, resolved.dense(), {"0.weight": 2})["0.weight"]
    assert bool((mask.view(2, 4, 6, 3, 3).sum(1) == 2).all())
    shuffled = resolved.selection.shuffled({"0.weight": mask}, torch.Generator())["0.weight"]
    assert bool((shuffled.view(2, 4, 6, 3, 3).sum(1) == 2).all()) and not torch.equal(shuffled, mask)
    with pytest.raises(SettingError, match=r"0\.weight has 3 inputs, which 4 does not divide"):
        resolve(nn.Sequential(nn.ConvTranspose1d(12, 8, 3, groups=4)), Pruning(granularity="2:4"), 1)


@pytest.mark.parametrize(("name", "granularity"), [("LSTM", "output"), ("bare parameter", "input"), ("bias", "output")])
def test_a_parameter_without_channels_has_no_such_granularity(name: str, granularity: str) -> None:
    kind = KINDS[name]
    pruning = Pruning(granularity=granularity, include=list(kind.include))
    with pytest.raises(SettingError, match=f"no slice of {kind.names[0]} is one channel"):
        resolve(kind.make(), pruning, 1, examples=X)


def test_a_scaled_draw_makes_up_for_the_inputs_that_a_mask_takes() -> None:
    """A row with a quarter of its inputs has weights twice as large; a word reads one row, whatever the mask."""
    model = nn.ModuleDict(
        {"cells": nn.LSTM(8, 5), "words": nn.Embedding(6, 4), "attention": nn.MultiheadAttention(8, 2)}
    )
    names = ["cells.weight_ih_l0", "words.weight", "attention.in_proj_weight"]
    mask = {name: torch.ones(model.get_parameter(name).shape, dtype=torch.bool) for name in names}
    full = initialize(model, "sparsity_aware", 3, mask)
    for name in names:
        mask[name][:, 2:] = False
    scaled = initialize(model, "sparsity_aware", 3, mask)
    for name, factor in zip(names, (2, 1, 2), strict=True):
        torch.testing.assert_close(scaled[name], full[name] * factor)
    plain = initialize(model, "default", 3)
    assert all(torch.equal(plain[name], full[name]) for name in names)
    assert not torch.equal(plain[names[2]], initialize(model, "default", 4)[names[2]])
    assert not plain["attention.in_proj_bias"].any() and not plain["attention.out_proj.bias"].any()


def test_a_bare_parameter_of_a_given_network_cannot_be_drawn_anew() -> None:
    pruning = Pruning(include=["matrix"])
    with pytest.raises(LotteryError, match=r"matrix was not redrawn: .* or give a function that builds the network"):
        lth.find_ticket(bare(), (X, Y), (X, Y), levels=1, recipe=RECIPE, pruning=pruning, arms=["ticket", "reinit"])
