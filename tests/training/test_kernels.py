"""Sparse products in training: when they are taken, that they train the same network, and the same bits again."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.core.seeds import Seeds
from lth.core.weights import Mask, clone, digest, load
from lth.data.modular import modular
from lth.data.preparation import prepare
from lth.data.tensors import Split
from lth.lottery.pruned import prune
from lth.models import Sequences, build
from lth.pruning.mask import dense, prunable
from lth.pruning.updates import GradualPruning, RigL, Set
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.training import kernels
from lth.training.checkpoint import Checkpoint
from lth.training.kernels import choose
from lth.training.loop import train
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec
from tests.training.watched import Killed, Watch, equal

HERE = {"torch": "1"}
OPTIMIZERS = {
    "adam": {"optimizer": "adam", "lr": 0.01, "schedule": "cosine"},
    "adamw": {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "decay": "all"},
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
}
UPDATES = {"gradual": GradualPruning(0.2, 5, 20, 5), "set": Set(0.3, 5), "rigl": RigL(0.3, 5, 20, "learning_rate")}
by_optimizer = pytest.mark.parametrize("recipe", OPTIMIZERS.values(), ids=OPTIMIZERS)
by_update = pytest.mark.parametrize("update", [None, *UPDATES.values()], ids=["still", *UPDATES])
LAYERS = {"0.weight": "sparse", "5.weight": "sparse"}
CHAIN = {"fc1.weight": "chain", "fc2.weight": "chain", "output.weight": "chain"}


@pytest.fixture(scope="module")
def pruned(make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask]) -> Callable[..., RunSpec]:
    """A training under a half mask, with sparse products where nothing else is said."""

    def make(update: GradualPruning | Set | RigL | None = None, **recipe: object) -> RunSpec:
        spec = make_job(**({"kernels": "sparse"} | recipe))
        gradual = isinstance(update, GradualPruning)
        return replace(spec, mask=dense(prunable(spec.model)) if gradual else half_mask(spec.model), update=update)

    return make


@pytest.fixture(scope="module")
def rich(rich_job: Callable[..., RunSpec]) -> Callable[..., RunSpec]:
    """The same of a network that is no chain, with BatchNorm, dropout and augmentation."""

    def make(update: GradualPruning | Set | RigL | None = None, **recipe: object) -> RunSpec:
        spec = rich_job(**({"kernels": "sparse"} | recipe))
        gradual = isinstance(update, GradualPruning)
        return replace(spec, mask=dense(prunable(spec.model)) if gradual else spec.mask, update=update)

    return make


@by_update
@by_optimizer
def test_sparse_layers_train_as_dense_ones_to_float_error(
    rich: Callable[..., RunSpec], update: object, recipe: dict
) -> None:
    """Without dropout, which draws in the order of memory, and that is another one."""
    specs = [rich(update, kernels=way, **recipe) for way in ("sparse", "dense")]
    for spec in specs:
        spec.model[4].p = 0.0
    sparse, plain = (train(spec, [Watch()]) for spec in specs)
    specs[0].model[4].p = 0.3
    assert sparse.kernels == LAYERS and plain.kernels == {}
    for name, weight in plain.states["final"].items():
        assert torch.allclose(sparse.states["final"][name], weight, rtol=1e-2, atol=1e-4), name
    for first, second in zip(sparse.points, plain.points, strict=True):
        assert first.val_loss == pytest.approx(second.val_loss, rel=1e-3)


def test_a_network_of_tokens_has_sparse_layers_after_its_embedding() -> None:
    data = prepare("modular", modular(11, 0.5, False, 0), validation=0, normalize="none")
    model = build("transformer", data.shape, data.classes, None, 16, Sequences(60, False, 1, 4, 500))
    state, mask = clone(model.state_dict()), prune(model, 0.9)
    results = {}
    for way in ("sparse", "dense"):
        recipe = Recipe(iterations=5, batch_size=20, evaluate_every=5, optimizer="sgd", lr=0.1, kernels=way)
        spec = RunSpec(model, state, mask, data, plan(recipe, len(data.train)), Seeds().resolved(0))
        results[way] = train(spec)
    assert results["sparse"].kernels == dict.fromkeys(mask, "sparse") and results["dense"].kernels == {}
    for name, weight in results["dense"].final.items():
        assert torch.allclose(results["sparse"].final[name], weight, rtol=1e-4, atol=1e-6), name
        assert name not in mask or not results["sparse"].final[name][~mask[name]].any()


@by_update
@pytest.mark.parametrize("look", [2, 9, 30])
def test_a_killed_training_of_sparse_layers_goes_on_to_the_same_bits(
    rich: Callable[..., RunSpec], tmp_path: Path, update: object, look: int
) -> None:
    recipe = OPTIMIZERS["momentum" if look == 9 else "adam"]
    unbroken = train(rich(update, **recipe), [Watch()])
    with pytest.raises(Killed):
        train(rich(update, **recipe), [Watch(look)], Checkpoint(tmp_path / "c", 0, HERE))
    watch = Watch()
    assert equal(train(rich(update, **recipe), [watch], Checkpoint(tmp_path / "c", 0, HERE)), unbroken)
    assert watch.looks == 31 if look <= 2 else watch.looks == 31 - (look - 1)


def test_layers_are_sparse_where_they_are_faster_so(
    rich: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "LEAST_WORK", 0)
    spec, first = rich(kernels="auto"), "0.weight"
    monkeypatch.setattr("lth.kernels.choice.fastest", lambda *_: dict.fromkeys(spec.mask, "dense") | {first: "sparse"})
    result = train(spec)
    assert result.kernels == {first: "sparse"} and result.status == "done"


def test_where_no_layer_can_be_sparse_the_reason_is_one_line(rich: Callable[..., RunSpec]) -> None:
    spec = rich()
    spec.model[0].weight.requires_grad_(False)
    try:
        with pytest.raises(
            SettingError, match=r"recipe\.kernels=sparse: no layer can have sparse products: 0\.weight is frozen"
        ):
            choose(replace(spec, mask={"0.weight": spec.mask["0.weight"]}))
    finally:
        spec.model[0].weight.requires_grad_(True)


@by_update
@by_optimizer
def test_a_sparse_training_is_a_dense_one_to_float_error(
    pruned: Callable[..., RunSpec], update: object, recipe: dict
) -> None:
    sparse, plain = (train(pruned(update, kernels=way, **recipe), [Watch()]) for way in ("sparse", "dense"))
    assert sparse.kernels == CHAIN and plain.kernels == {}
    for kind in ("final", "early_stop"):
        for name, weight in plain.states[kind].items():
            assert torch.allclose(sparse.states[kind][name], weight, rtol=1e-3, atol=1e-5), (kind, name)
    for first, second in zip(sparse.points, plain.points, strict=True):
        assert first.val_loss == pytest.approx(second.val_loss, rel=1e-4)
        assert (first.val_accuracy, first.test_accuracy) == (second.val_accuracy, second.test_accuracy)
    assert sparse.train == plain.train
    assert sparse.observed["watch"][-1][1]["total"] == pytest.approx(plain.observed["watch"][-1][1]["total"], rel=1e-4)


@by_update
@pytest.mark.parametrize("look", [2, 6, 9, 30])
def test_a_killed_sparse_training_goes_on_to_the_same_bits(
    pruned: Callable[..., RunSpec], tmp_path: Path, update: object, look: int
) -> None:
    recipe = OPTIMIZERS["momentum" if look == 9 else "adam"]
    unbroken = train(pruned(update, **recipe), [Watch()])
    with pytest.raises(Killed):
        train(pruned(update, **recipe), [Watch(look)], Checkpoint(tmp_path / "c", 0, HERE))
    watch = Watch()
    assert equal(train(pruned(update, **recipe), [watch], Checkpoint(tmp_path / "c", 0, HERE)), unbroken)
    assert watch.looks == 31 if look <= 2 else watch.looks == 31 - (look - 1)


def test_the_choice_of_a_checkpoint_is_taken_again(
    pruned: Callable[..., RunSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "LEAST_WORK", 0)
    monkeypatch.setattr(kernels, "_chain_is_faster", lambda *_: True)
    with pytest.raises(Killed):
        train(pruned(kernels="auto"), [Watch(9)], Checkpoint(tmp_path / "c", 0, HERE))
    monkeypatch.setattr(kernels, "_chain_is_faster", lambda *_: False)
    assert train(pruned(kernels="auto"), [Watch()], Checkpoint(tmp_path / "c", 0, HERE)).kernels == CHAIN
    assert train(pruned(kernels="auto"), kernels=CHAIN).kernels == CHAIN
    assert train(pruned(kernels="auto")).kernels == {}


def test_a_checkpoint_of_impossible_products_is_refused(pruned: Callable[..., RunSpec], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(pruned(), [Watch(9)], Checkpoint(tmp_path / "c", 0, HERE))
    snapshot = Checkpoint(tmp_path / "c", 0, HERE).read()
    snapshot.records["kernels"] = {"fc1.weight": "chain"}
    Checkpoint(tmp_path / "c", 0, HERE).write(snapshot)
    watch = Watch()
    assert train(pruned(), [watch], Checkpoint(tmp_path / "c", 0, HERE)).kernels == CHAIN and watch.looks == 31


def names(spec: RunSpec) -> set[str]:
    """The names of the training of `spec` with each of the ways."""
    specs = [replace(spec, plan=replace(spec.plan, kernels=way)) for way in ("auto", "dense", "sparse")]
    return {fingerprint(fingerprint_inputs(spec)) for spec in specs}


def test_results_of_one_way_are_never_given_as_those_of_another(
    pruned: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be sparse, all ways are one training, which has the name that it always had."""
    long = pruned()
    long = replace(long, plan=replace(long.plan, stop=10**9, total=10**9))
    assert len(names(long)) == 3
    assert len(names(replace(long, mask=dense(prunable(long.model))))) == 1
    denser = {name: torch.arange(kept.numel()).view(kept.shape) > 0 for name, kept in long.mask.items()}
    assert len(names(replace(long, mask=denser))) == 2  # auto is sure to take dense products
    assert len(names(pruned())) == 2  # so it is where a training is too short to be worth a choice
    assert "kernels" not in fingerprint_inputs(pruned(kernels="dense"))["plan"]


def test_where_nothing_can_be_sparse_auto_is_dense_and_sparse_an_error(
    pruned: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernels, "LEAST_WORK", 0)
    monkeypatch.setattr(kernels, "ready", lambda part: "numba cannot be imported: no such module")
    kernels._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert choose(pruned(kernels="auto")) == choose(pruned(kernels="auto")) == {}
    assert caplog.messages == ["all products are dense: numba cannot be imported: no such module"]
    kernels._say_once.cache_clear()
    monkeypatch.setattr(Split, "device", property(lambda split: torch.device("cuda")))
    assert choose(pruned(kernels="auto")) == {} and len(caplog.messages) == 1  # on a GPU that is nothing to warn of
    with pytest.raises(SettingError, match=r"recipe\.kernels=sparse: numba cannot be imported"):
        choose(pruned())


@pytest.mark.parametrize("large", [False, True])
def test_both_ways_are_timed_once_for_trainings_alike(
    pruned: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """One after the other in large networks; the model has its first weights again afterwards."""
    monkeypatch.setattr(kernels, "LARGE", 0 if large else 10**9)
    monkeypatch.setattr(kernels, "LEAST_WORK", 0)
    monkeypatch.setattr(kernels, "_timed", {})
    groups = []

    def timed(calls: dict[str, Callable[[], None]]) -> dict[str, float]:
        groups.append([call() for call in calls.values()])
        return dict(zip(calls, [1 / len(groups)] if large else [1.0, 0.5], strict=True))

    monkeypatch.setattr(kernels, "interleaved", timed)
    spec = pruned(kernels="auto")
    load(spec.model, spec.initial_state, spec.mask)
    before = digest(spec.model.state_dict())
    assert choose(spec) == choose(spec) == CHAIN and len(groups) == 1 + large
    assert digest(spec.model.state_dict()) == before and all(x.grad is None for x in spec.model.parameters())
    assert choose(pruned(kernels="auto", batch_size=10)) == CHAIN and len(groups) == 2 * (1 + large)


def test_a_chain_may_have_layers_that_no_mask_prunes(pruned: Callable[..., RunSpec]) -> None:
    spec = pruned()
    spec = replace(spec, mask={"fc2.weight": spec.mask["fc2.weight"]})
    result = train(spec, [Watch()])
    assert result.kernels == CHAIN and bool((result.final["output.weight"] != 0).all())


def test_observers_change_no_bit(pruned: Callable[..., RunSpec]) -> None:
    """However many steps are taken at once."""
    first, second = train(pruned(evaluate_every=30)), train(pruned(evaluate_every=30), [Watch()], keep_at=[3, 20])
    second.states = {kind: state for kind, state in second.states.items() if not kind.startswith("at_")}
    second.observed, second.columns = {}, {}
    assert equal(first, second)
