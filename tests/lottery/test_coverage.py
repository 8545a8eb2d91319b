"""What no mask covers is said before anything is trained: once, in a line, with its share of all parameters."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import nn

import lth
from lth.core.seeds import Seeds
from lth.core.weights import shared_names
from lth.data.checks import NAMES
from lth.data.preparation import prepare
from lth.lottery.context import FreshInit
from lth.lottery.coverage import announce, unpruned_line
from lth.lottery.plan import ImpPlan
from lth.pruning.mask import prunable
from lth.pruning.parameters import parameter_count, unpruned
from lth.pruning.resolved import resolve
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.searching import search
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec
from tests.networks import SHARED, Net, bare_matrix, hidden, hidden_and_out, tied_language, tied_layers

X = torch.randn(90, 12, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long() + 2 * (X[:, 1] > 0).long()
RECIPE = lth.Recipe(iterations=10, batch_size=20, lr=0.01, evaluate_every=10)
parametrizations = nn.utils.parametrizations


def recurrent(kind: type[nn.RNNBase]) -> nn.Module:
    parts = {"cells": kind(1, 6, batch_first=True), "out": nn.Linear(6, 4)}
    return Net(lambda net, x: net.out(net.cells(x[..., None])[0][:, -1]), **parts)


def attentive() -> nn.Module:
    parts = {"first": nn.Linear(1, 8), "attention": nn.MultiheadAttention(8, 2, batch_first=True)}
    return Net(
        lambda net, x: net.out(net.attention(*[net.first(x[..., None])] * 3)[0].mean(1)),
        **parts,
        out=nn.Linear(8, 4),
    )


def with_hidden(layer: nn.Module) -> nn.Module:
    return Net(lambda net, x: net.out(hidden(net, x)), **hidden_and_out(hidden=layer))


UNPRUNED: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "LSTM": (lambda: recurrent(nn.LSTM), ["cells.weight_ih_l0", "cells.weight_hh_l0"]),
    "GRU": (lambda: recurrent(nn.GRU), ["cells.weight_ih_l0", "cells.weight_hh_l0"]),
    "RNN": (lambda: recurrent(nn.RNN), ["cells.weight_ih_l0", "cells.weight_hh_l0"]),
    "attention": (attentive, ["attention.in_proj_weight"]),
    "a bare parameter": (
        lambda: Net(
            lambda net, x: net.out(x @ net.matrix), matrix=nn.Parameter(torch.randn(12, 8)), out=nn.Linear(8, 4)
        ),
        ["matrix"],
    ),
    "an embedding": (
        lambda: Net(
            lambda net, x: net.out(net.words((x > 0).long()).mean(1)), words=nn.Embedding(2, 8), out=nn.Linear(8, 4)
        ),
        ["words.weight"],
    ),
    "two inputs": (
        lambda: Net(lambda net, x: net.out(net.pair(x, x)), pair=nn.Bilinear(12, 12, 8), out=nn.Linear(8, 4)),
        ["pair.weight"],
    ),
    "weight norm": (
        lambda: with_hidden(parametrizations.weight_norm(nn.Linear(12, 10))),
        ["hidden.parametrizations.weight.original0", "hidden.parametrizations.weight.original1"],
    ),
    "spectral norm": (
        lambda: with_hidden(parametrizations.spectral_norm(nn.Linear(12, 10))),
        ["hidden.parametrizations.weight.original"],
    ),
    "an orthogonal layer": (
        lambda: with_hidden(parametrizations.orthogonal(nn.Linear(12, 10))),
        ["hidden.parametrizations.weight.0.base", "hidden.parametrizations.weight.original"],
    ),
    "weight norm by hooks": (
        lambda: with_hidden(nn.utils.weight_norm(nn.Linear(12, 10))),
        ["hidden.weight_g", "hidden.weight_v"],
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", UNPRUNED)
def test_a_search_names_what_it_leaves_unpruned_and_its_share(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    make, names = UNPRUNED[kind]
    model = make()
    names = [name for name in names if name in dict(model.named_parameters())]
    with caplog.at_level(logging.INFO):
        search = lth.find_ticket(model, (X, Y), (X, Y), levels=1, recipe=RECIPE)
    (line,) = [record.message for record in caplog.records if record.message.startswith("not pruned")]
    total = sum(parameter.numel() for parameter in model.parameters())
    share = sum(model.get_parameter(name).numel() for name in names) / total
    assert names and line == f"not pruned: {' and '.join(names)}, {100 * share:.2g}% of all {total:,} parameters"
    assert not set(names) & set(search.tickets[-1].mask)
    pruned = sum(int((~kept).sum()) for kept in search.tickets[-1].mask.values())
    assert [row["parameter_density"] for row in search.rows] == [1.0, (total - pruned) / total]


@pytest.mark.parametrize("make", [tied_layers, bare_matrix, lambda: with_hidden(nn.Linear(12, 10))])
def test_nothing_is_said_where_all_is_pruned_shared_weights_too(
    make: Callable[[], nn.Module], caplog: pytest.LogCaptureFixture
) -> None:
    lth.find_ticket(make(), (X, Y), (X, Y), levels=1, recipe=RECIPE)
    assert "not pruned" not in caplog.text


def test_an_output_that_is_an_embedding_too_is_pruned(caplog: pytest.LogCaptureFixture) -> None:
    words = (X[:, :5].abs() * 4).long().clamp(max=11)
    with caplog.at_level(logging.INFO):
        search = lth.find_ticket(tied_language(), (words, words[:, 0]), (words, words[:, 0]), levels=1, recipe=RECIPE)
    assert list(search.tickets[-1].mask) == ["hidden.weight", "embedding.weight"] and "not pruned" not in caplog.text
    network = search.levels[-1].spec.model
    assert network.decoder.weight is network.embedding.weight
    assert not network.decoder.weight[~search.tickets[-1].mask["embedding.weight"]].any()
    assert caplog.messages.count("output layer: embedding.weight") == 1


def test_few_parameters_and_those_that_were_excluded_are_not_worth_a_line() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 90))
    assert unpruned_line(model, ["1.weight"], ["0.*"]) == ""
    assert unpruned_line(model, ["1.weight"]) == "not pruned: 0.weight, 7.4% of all 486 parameters"
    large = nn.Sequential(nn.Embedding(1, 4), nn.Linear(4, 90))
    assert (
        unpruned(large, ["1.weight"]) and 4 / parameter_count(large) < 0.01 and not unpruned_line(large, ["1.weight"])
    )
    many = nn.Sequential(*(nn.Embedding(2, 2) for _ in range(5)), nn.Linear(2, 2))
    line = "not pruned: 0.weight, 1.weight, 2.weight and 2 more, 77% of all 26 parameters"
    assert unpruned_line(many, [layer.name for layer in prunable(many)]) == line


def test_a_network_that_is_searched_again_is_announced_once_and_another_again(caplog: pytest.LogCaptureFixture) -> None:
    for model in (first := recurrent(nn.LSTM), first, recurrent(nn.LSTM)):
        announce(model, resolve(model, Pruning(), 1))
    assert caplog.text.count("not pruned") == 2


def test_outputs_that_stay_where_channels_are_pruned_are_said_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dense, sparse = with_hidden(nn.Linear(12, 10)), recurrent(nn.LSTM)
    sparse.out = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 4))
    with caplog.at_level(logging.INFO):
        for model in (dense, sparse):
            announce(model, resolve(model, Pruning(granularity="output"), 1, examples=X))
    levels = [record.levelname for record in caplog.records if "not pruned" in record.message]
    assert levels == ["INFO", "WARNING"] and "not pruned: out.weight, 23% of all 174 parameters" in caplog.text


@pytest.mark.parametrize("kind", SHARED)
def test_every_arm_trains_a_shared_weight_as_one(kind: str) -> None:
    words = (X.abs() * 4).long().clamp(max=11)
    inputs, labels = (words.float(), words[:, 0] % 4)
    arms = ["ticket", "reinit", "reinit_plus", "shuffle", "scratch", "finetune", "restart", "set", "rigl", "rigl_plus"]
    seen = []

    def fit(spec: RunSpec) -> RunResult:
        result = train(spec)
        mask = result.mask(spec.mask)
        shared = shared_names(spec.model.state_dict())
        for name, first in shared.items():
            assert torch.equal(result.final[name], result.final[first])
            assert first not in mask or not result.final[name][~mask[first]].any()
        seen.append(sum(int((~kept).sum()) for name, kept in mask.items() if name in shared.values()))
        return result

    model = SHARED[kind]()
    data = prepare("words", dict(zip(NAMES, (inputs, labels) * 2, strict=True)), validation=10, normalize="none")
    plan = ImpPlan(RECIPE, Pruning(fraction=0.5), 1, 0, arms, rewiring=Rewiring(0.3, 5))
    fresh = FreshInit(SHARED[kind], "default")
    outcomes = list(search(model, fresh(0), data, Seeds().resolved(), plan, fit, fresh))
    assert [outcome.arm for outcome in outcomes] == ["ticket", *arms] and len(seen) == 11
    assert seen[0] == 0 and len(set(seen[1:])) == 1 and seen[1] > 0
