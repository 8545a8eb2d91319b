"""The one loop: as plain torch where nothing is pruned, exact zeros where it is, and the same bits again."""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from lth.core.bits import unpack
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.tables import Column
from lth.core.weights import Mask, State, clone, digest, load, masked
from lth.data.preparation import prepare
from lth.data.tensors import Data, Split
from lth.models.initialize import initialize
from lth.training import steps
from lth.training.evaluate import evaluate
from lth.training.loop import train
from lth.training.optimizer import make_optimizer
from lth.training.recipe import Plan
from lth.training.run_result import RunResult, result_from
from lth.training.run_spec import RunSpec

OPTIMIZERS = {
    "adam": {"optimizer": "adam", "lr": 0.01},
    "adam decay": {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.1},
    "adamw": {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "decay": "all"},
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    "nesterov": {
        "optimizer": "sgd",
        "lr": 0.05,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.01,
        "decay": "all",
    },
}
by_optimizer = pytest.mark.parametrize("recipe", OPTIMIZERS.values(), ids=OPTIMIZERS)


def torchs(model: nn.Module, recipe: dict) -> torch.optim.Optimizer:
    """The optimiser as a reader of torch's manual would write it."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    decay = recipe.get("weight_decay", 0.0)
    groups = [{"params": weights, "weight_decay": decay}]
    groups.append({"params": others, "weight_decay": decay if recipe.get("decay") == "all" else 0.0})
    how = {key: recipe[key] for key in ("lr", "momentum", "nesterov") if key in recipe}
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[recipe["optimizer"]]
    return kind(groups, **how, foreach=False, fused=False)


def plain(spec: RunSpec, recipe: dict, schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None) -> State:
    """A training written anew: the mask is multiplied in the graph, so autograd itself masks the gradient."""
    model, data = copy.deepcopy(spec.model), spec.data.train
    model.load_state_dict(spec.initial_state)
    optimizer = torchs(model, recipe)
    scheduler = schedule(optimizer) if schedule else None
    per_epoch = len(data) // spec.plan.batch_size
    for epoch in range(spec.plan.stop // per_epoch + 1):
        order = torch.randperm(len(data), generator=rng(spec.seeds.order, "order", epoch))
        for batch in order.split(spec.plan.batch_size)[: min(per_epoch, spec.plan.stop - epoch * per_epoch)]:
            parameters = {name: p * spec.mask[name] if name in spec.mask else p for name, p in model.named_parameters()}
            logits = torch.func.functional_call(model, parameters, (data.images[batch],))
            optimizer.zero_grad()
            cross_entropy(logits, data.labels[batch]).backward()
            optimizer.step()
            if scheduler:
                scheduler.step()
    return masked(model.state_dict(), spec.mask)


def close(first: State, second: State) -> bool:
    return all(torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-5) for name in first)


@by_optimizer
def test_dense_training_is_plain_torch(make_job: Callable[..., RunSpec], recipe: dict) -> None:
    spec = make_job(**recipe)
    trained = train(spec).final
    assert close(trained, plain(spec, recipe)) and not close(trained, spec.initial_state)


@by_optimizer
def test_masked_training_is_plain_torch_with_the_mask_in_the_graph(
    make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask], recipe: dict
) -> None:
    spec = make_job(**recipe)
    spec = replace(spec, mask=half_mask(spec.model))
    assert close(train(spec).final, plain(spec, recipe))


@pytest.mark.parametrize(
    ("settings", "schedule"),
    [
        ({"schedule": "step", "milestones": [8, "3ep"], "gamma": 0.2}, lambda x: MultiStepLR(x, [8, 15], 0.2)),
        ({"schedule": "cosine"}, lambda x: CosineAnnealingLR(x, 30)),
    ],
    ids=["step", "cosine"],
)
def test_schedules_are_torchs(make_job: Callable[..., RunSpec], settings: dict, schedule: Callable) -> None:
    recipe = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}
    spec = make_job(**recipe, **settings)
    assert close(train(spec).final, plain(spec, recipe, schedule))


@pytest.mark.parametrize(
    ("recipe", "decays"),
    [({}, [0.0]), ({"weight_decay": 0.1}, [0.1, 0.0]), ({"weight_decay": 0.1, "decay": "all"}, [0.1])],
)
def test_weight_decay_is_for_weights_or_for_all(make_job: Callable[..., RunSpec], recipe: dict, decays: list) -> None:
    spec = make_job(**recipe)
    groups = make_optimizer(spec.model, spec.plan).param_groups
    assert [group["weight_decay"] for group in groups] == decays
    assert sum(len(group["params"]) for group in groups) == len(list(spec.model.parameters()))


@by_optimizer
def test_pruned_weights_gradients_and_optimizer_state_stay_exactly_zero(
    make_job: Callable[..., RunSpec],
    half_mask: Callable[[nn.Module], Mask],
    monkeypatch: pytest.MonkeyPatch,
    recipe: dict,
) -> None:
    made: list[torch.optim.Optimizer] = []
    monkeypatch.setattr(steps, "make_optimizer", lambda *args: made.append(make_optimizer(*args)) or made[-1])
    checked = []

    class Look:
        key, every, columns = "look", 1, {}

        def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
            for name, weight in model.named_parameters():
                if name in spec.mask:
                    state = [x for x in made[0].state.get(weight, {}).values() if x.shape == weight.shape]
                    for tensor in (weight, *state, *([] if weight.grad is None else [weight.grad])):
                        assert not tensor[~spec.mask[name]].any() and tensor.isfinite().all()
                        checked.append(name)
            return {}

    spec = make_job(**recipe)
    train(replace(spec, mask=half_mask(spec.model)), [Look()])
    stateful = recipe.get("momentum", 0.9) > 0
    assert len(checked) >= 3 * (1 + 30 * (3 if stateful else 2))


def test_survivors_of_either_sign_train(
    make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask]
) -> None:
    """One peer froze every negative weight; a frozen weight is one that the mask prunes, and no other."""
    spec = make_job()
    spec = replace(spec, mask=half_mask(spec.model))
    start, final, kept = (
        spec.initial_state["output.weight"],
        train(spec).final["output.weight"],
        spec.mask["output.weight"],
    )
    for sign in (start > 0, start < 0):
        assert (kept & sign).any() and (start != final)[kept & sign].float().mean() > 0.5


def test_training_starts_from_the_masked_initial_state_bit_by_bit(
    make_job: Callable[..., RunSpec],
    make_rich_network: Callable[[], nn.Module],
    half_mask: Callable[[nn.Module], Mask],
    same_bits: Callable[..., bool],
) -> None:
    model = make_rich_network()
    start = initialize(model, "default", 1) | {
        "1.running_mean": torch.rand(4),
        "1.num_batches_tracked": torch.tensor(9),
    }
    spec, states = make_job(model=model, initial_state=start, mask=half_mask(model)), []

    class Look:
        key, every, columns = "look", 0, {}

        def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
            states.append(clone(model.state_dict()))
            return {}

    train(spec, [Look()])
    assert len(states) == 2 and same_bits(states[0], masked(start, spec.mask))
    assert states[1]["1.num_batches_tracked"] == 9 + 30


def test_training_changes_neither_initial_state_nor_mask_nor_an_earlier_result(
    make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask]
) -> None:
    spec = make_job()
    spec = replace(spec, mask=half_mask(spec.model))
    before = digest(spec.initial_state), digest(spec.mask), spec.data.digest
    first = train(spec)
    kept = digest(first.final), digest(first.states["early_stop"])
    train(replace(spec, seeds=Seeds(order=1).resolved()))
    assert (digest(spec.initial_state), digest(spec.mask), replace(spec.data).digest) == before
    assert (digest(first.final), digest(first.states["early_stop"])) == kept


def test_shared_weights_stay_pruned(make_job: Callable[..., RunSpec]) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.ReLU(), nn.Linear(36, 36), nn.Linear(36, 3))
    model[3].weight = model[1].weight
    mask = {"1.weight": torch.rand(36, 36, generator=rng(0)) < 0.5}
    final = train(make_job(model=model, mask=mask)).final
    assert torch.equal(final["1.weight"], final["3.weight"]) and not final["1.weight"][~mask["1.weight"]].any()


def test_frozen_parameters_stay_as_they_are(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job(weight_decay=0.1, decay="all")
    spec.model.fc1.requires_grad_(False)
    final = train(spec).final
    assert torch.equal(final["fc1.weight"], spec.initial_state["fc1.weight"])
    assert not torch.equal(final["fc2.weight"], spec.initial_state["fc2.weight"])


@pytest.fixture
def rich_job(
    make_job: Callable[..., RunSpec],
    make_data: Callable[..., Data],
    make_rich_network: Callable[[], nn.Module],
    half_mask: Callable[[nn.Module], Mask],
) -> RunSpec:
    """Convolution, BatchNorm, dropout, augmentation and a mask."""
    model = make_rich_network()
    return make_job(model=model, mask=half_mask(model), data=replace(make_data(), augment="flip_crop"))


def equal(first: RunResult, second: RunResult) -> bool:
    return (
        first.points == second.points
        and first.observed == second.observed
        and first.train == second.train
        and {key: digest(state) for key, state in first.states.items()}
        == {key: digest(state) for key, state in second.states.items()}
    )


def test_the_same_job_gives_the_same_bits_whatever_was_there(rich_job: RunSpec) -> None:
    torch.manual_seed(1)
    first = train(rich_job)
    with torch.no_grad():
        for tensor in rich_job.model.state_dict().values():
            tensor.fill_(3)
    rich_job.model.eval()
    torch.manual_seed(2)
    assert equal(train(rich_job), first)


def test_observing_evaluating_and_looking_change_no_bit(rich_job: RunSpec) -> None:
    often = replace(rich_job, plan=replace(rich_job.plan, evaluate_every=1, test="always"))
    once = replace(rich_job, plan=replace(rich_job.plan, evaluate_every=1000))
    assert digest(train(often).final) == digest(train(rich_job).final) == digest(train(once).final)


@pytest.mark.parametrize("seed", ["order", "augment"])
def test_another_seed_is_another_training(rich_job: RunSpec, seed: str) -> None:
    other = replace(rich_job, seeds=Seeds(**{seed: 1}).resolved())
    assert digest(train(other).final) != digest(train(rich_job).final)


def test_seeds_that_have_no_part_in_training_change_nothing(make_job: Callable[..., RunSpec]) -> None:
    first = train(make_job())
    assert equal(train(make_job(seeds=Seeds(init=5, mask=5, augment=5, split=5).resolved())), first)


def test_global_generators_are_untouched(rich_job: RunSpec) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    train(rich_job)
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]


def test_denormal_numbers_are_as_they_were(make_job: Callable[..., RunSpec]) -> None:
    """The processor's mode holds for the process: numpy and every later measurement would use it too."""
    torch.set_flush_denormal(False)
    train(make_job())
    kept = bool(torch.tensor([1e-40]) * 1 > 0)
    torch.set_flush_denormal(False)
    assert kept


def test_dropout_is_drawn_anew_at_each_iteration_and_by_its_number(make_job: Callable[..., RunSpec]) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.draws = nn.Linear(36, 3), []

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.draws.append(torch.rand(1).item())
            return self.linear(images.flatten(1))

    full, part, other = Noisy(), Noisy(), Noisy()
    train(make_job(model=full))
    train(make_job(model=part, rewind=11))
    train(make_job(model=other, seeds=Seeds(order=1).resolved()))
    assert len(set(full.draws)) == 30 and part.draws == full.draws[11:] and not set(other.draws) & set(full.draws)


def test_training_in_two_parts_is_training_once(
    make_job: Callable[..., RunSpec], same_bits: Callable[..., bool]
) -> None:
    """Plain SGD has no state of its own, so stopping at k and starting from there changes no bit."""
    recipe = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "schedule": "cosine", "warmup": 4}
    first = train(make_job(**recipe, stop=13))
    second = train(make_job(**recipe, rewind=13, initial_state=first.final))
    assert same_bits(second.final, train(make_job(**recipe)).final)
    assert (first.stop, second.start, second.points[0].iteration) == (13, 13, 13)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_curve_says_what_was_measured(make_job: Callable[..., RunSpec], precision: str) -> None:
    """In float32, whatever the precision of training is."""
    spec = make_job(schedule="cosine", precision=precision)
    result = train(spec)
    assert [point.iteration for point in result.points] == [0, 7, 14, 21, 28, 30]
    assert [point.lr for point in result.points] == [spec.plan.rate(n) for n in (0, 7, 14, 21, 28, 29)]
    assert result.points[0].train_loss is None and result.seconds > result.evaluation_seconds > 0
    load(spec.model, result.final)
    last, score = result.points[-1], evaluate(spec.model, spec.data.validation)
    assert (last.val_loss, last.val_accuracy) == (score.loss, score.accuracy)
    assert last.test_accuracy == evaluate(spec.model, spec.data.test).accuracy
    assert result.train["accuracy"] == evaluate(spec.model, spec.data.train).accuracy > 0.5
    load(spec.model, result.states["early_stop"])
    assert (
        result.early_stop is not None and evaluate(spec.model, spec.data.validation).loss == result.early_stop.val_loss
    )


def test_bfloat16_is_another_training_of_float32_weights(
    make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask], make_rich_network: Callable[[], nn.Module]
) -> None:
    results = []
    for precision in ("float32", "bfloat16"):
        spec = make_job(model=make_rich_network(), precision=precision, lr=0.003)
        mask = half_mask(spec.model)
        results.append(train(replace(spec, mask=mask)))
    exact, rounded = results
    assert not close(exact.final, rounded.final)
    assert [x.dtype for x in rounded.final.values()] == [x.dtype for x in exact.final.values()]
    assert all(not rounded.final[name][~kept].any() for name, kept in mask.items())
    losses = [result.points[-1].train_loss for result in results]
    assert losses[0] == pytest.approx(losses[1], rel=0.05) and losses[0] != losses[1]


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_network_is_trained_through_torch_compile(
    make_job: Callable[..., RunSpec],
    make_network: Callable[[], nn.Module],
    half_mask: Callable[[nn.Module], Mask],
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    """With the same weights up to the rounding of its kernels, and pruned ones zero."""
    compiled, results = [], []

    def compiling(model: nn.Module) -> nn.Module:
        compiled.append(model)
        return torch._dynamo.optimize(backend)(model)

    monkeypatch.setattr(torch, "compile", compiling)
    for compile in (False, True):
        spec = make_job(model=make_network(), compile=compile, lr=0.003, kernels="dense")
        mask = half_mask(spec.model)
        results.append(train(replace(spec, mask=mask)))
    (model,) = compiled
    assert model is spec.model
    states = [result.final for result in results]
    assert (
        all(torch.equal(x, states[1][name]) for name, x in states[0].items()) if backend == "eager" else close(*states)
    )
    assert all(not results[1].final[name][~kept].any() for name, kept in mask.items())


def test_without_a_compiler_nothing_is_trained_through_torch_compile(
    make_job: Callable[..., RunSpec], make_network: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no_such_compiler")
    with pytest.raises(SettingError, match=r"recipe\.compile=True: needs a C\+\+ compiler, g\+\+ or the one that CXX"):
        train(make_job(model=make_network(), compile=True, kernels="dense"))


def test_the_training_loss_is_the_mean_since_the_last_point(make_job: Callable[..., RunSpec]) -> None:
    fine, coarse = (train(make_job(evaluate_every=every)).points for every in (1, 7))
    losses = [point.train_loss for point in fine[1:]]
    for before, point in pairwise(coarse):
        since = losses[before.iteration : point.iteration]
        assert point.train_loss == pytest.approx(sum(since) / len(since), rel=1e-5)


def test_the_test_set_is_looked_at_where_validation_improved_and_at_the_end(make_job: Callable[..., RunSpec]) -> None:
    points = train(make_job(evaluate_every=1, lr=0.1, test="improved")).points
    best = float("inf")
    for point in points[:-1]:
        assert (point.test_accuracy is not None) == (point.val_loss < best)
        best = min(best, point.val_loss)
    assert points[-1].test_accuracy is not None and any(point.test_accuracy is None for point in points)
    always = train(make_job(evaluate_every=1, lr=0.1, test="always")).points
    assert all(point.test_accuracy is not None for point in always)
    assert [replace(point, test_accuracy=None) for point in always] == [replace(p, test_accuracy=None) for p in points]


@pytest.mark.parametrize("validation", [0, 23])
@pytest.mark.parametrize("diverges", [False, True])
def test_at_the_ends_alone_the_test_set_says_the_same(
    make_job: Callable[..., RunSpec], make_data: Callable[..., Data], validation: int, diverges: bool
) -> None:
    """Of the early stop and of the final weights, as where it is measured on the way; nothing else differs."""
    specs = {
        test: make_job(data=make_data(validation=validation), evaluate_every=1, lr=0.1, optimizer="sgd", test=test)
        for test in ("ends", "improved")
    }
    if diverges:
        specs = {test: replace(spec, plan=replace(spec.plan, lr=1e38)) for test, spec in specs.items()}
    ends, improved = (train(spec) for spec in specs.values())
    early = ends.early_stop
    measured = [point for point in ends.points if point.test_accuracy is not None]
    assert measured == [point for point in improved.points if point in (early, improved.points[-1])][: len(measured)]
    assert len(measured) == (early is not None) + (not diverges and early is not ends.points[-1])
    assert [p.iteration for p in ends.points] == [p.iteration for p in improved.points]
    assert ends.states.keys() == improved.states.keys() and ends.status == improved.status
    assert {kind: digest(x) for kind, x in ends.states.items()} == {
        kind: digest(x) for kind, x in improved.states.items()
    }
    assert digest(specs["ends"].model.state_dict()) == digest(specs["improved"].model.state_dict())


def test_an_equal_validation_loss_is_no_improvement(make_job: Callable[..., RunSpec]) -> None:
    result = train(make_job(optimizer="sgd", lr=1e-30, test="improved"))
    assert len({point.val_loss for point in result.points}) == 1 and result.early_stop is result.points[0]
    assert [point.test_accuracy is not None for point in result.points] == [True, *[False] * 4, True]


def test_without_validation_there_is_no_early_stop(
    make_job: Callable[..., RunSpec], make_data: Callable[..., Data]
) -> None:
    result = train(make_job(data=make_data(validation=0)))
    assert result.early_stop is None and set(result.states) == {"final", "correct"}
    assert set(result.states["correct"]) == {"final"} and result.status == "done"
    assert [point.test_accuracy is not None for point in result.points] == [False] * 5 + [True]
    assert all(point.val_loss is None and point.val_accuracy is None for point in result.points)


@pytest.mark.parametrize("test", ["ends", "improved", "always"])
def test_the_test_set_chooses_nothing(make_job: Callable[..., RunSpec], data: Data, test: str) -> None:
    labels = data.test.labels.flip(0).roll(1)
    other = replace(data, test=Split(data.test.images * -3, labels))
    first, second = (train(make_job(data=d, test=test, evaluate_every=2)) for d in (data, other))
    digests = [{key: digest(x) for key, x in r.states.items() if key != "correct"} for r in (first, second)]
    assert digests[0] == digests[1]
    blind = [[replace(point, test_accuracy=None) for point in result.points] for result in (first, second)]
    assert blind[0] == blind[1] and first.early_stop.iteration == second.early_stop.iteration
    assert [p.test_accuracy for p in first.points] != [p.test_accuracy for p in second.points]


@pytest.mark.parametrize("test", ["ends", "improved", "always"])
@pytest.mark.parametrize("every", [1, 7, 40])
def test_what_is_kept_knows_which_test_examples_it_classifies_correctly(
    make_job: Callable[..., RunSpec], data: Data, test: str, every: int
) -> None:
    spec = make_job(data=data, test=test, evaluate_every=every)
    result = train(spec)
    for kind, accuracy in (
        ("early_stop", result.early_stop.test_accuracy),
        ("final", result.points[-1].test_accuracy),
    ):
        hits = unpack(result.states["correct"][kind], [len(data.test)])
        load(spec.model, result.states[kind])
        assert torch.equal(hits, evaluate(spec.model, data.test).hits)
        assert int(hits.sum()) / len(hits) == accuracy


@pytest.mark.parametrize("validation", [0, 23])
def test_a_loss_of_nan_ends_the_training(
    make_job: Callable[..., RunSpec], make_data: Callable[..., Data], wild_rate: None, validation: int
) -> None:
    result = train(make_job(data=make_data(validation=validation), optimizer="sgd"))
    assert result.status == "diverged" and "NaN or infinite between iterations 0 and 7" in result.message
    assert [point.iteration for point in result.points] == [0, 7] and "final" not in result.states
    last = result.points[-1]
    assert (last.train_loss, last.val_loss, last.val_accuracy, last.test_accuracy) == (None,) * 4
    assert (result.early_stop.iteration if result.early_stop else None) == (0 if validation else None)
    assert all(tensor.isfinite().all() for state in result.states.values() for tensor in state.values())
    with pytest.raises(KeyError):
        _ = result.final


def test_a_finished_training_has_finite_weights(
    make_job: Callable[..., RunSpec], make_data: Callable[..., Data]
) -> None:
    """Where the last step alone breaks the weights, no batch sees it; without validation nothing else does."""
    spec = make_job(data=make_data(validation=0), optimizer="sgd", momentum=0.0, iterations=1)
    result = train(replace(spec, plan=replace(spec.plan, lr=1e39)))
    assert result.status == "diverged" or all(tensor.isfinite().all() for tensor in result.final.values())


def test_infinity_in_a_buffer_is_no_divergence(make_job: Callable[..., RunSpec], make_network: Callable) -> None:
    """As the mask of an attention layer has it."""
    model = make_network()
    model.register_buffer("attention", torch.full((3, 3), -torch.inf).triu(1))
    assert train(make_job(model=model)).status == "done"


def test_an_observer_looks_at_the_start_regularly_and_at_the_end(make_job: Callable[..., RunSpec]) -> None:
    class Look:
        def __init__(self, every: int) -> None:
            self.every, self.key, self.columns = every, f"every {every}", {}

        def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
            return {"training": float(model.training)}

    result, steps = train(make_job(rewind=4), [Look(0), Look(8), Look(100)], progress=(done := []).append), done
    iterations = {key: [iteration for iteration, _ in values] for key, values in result.observed.items()}
    assert iterations == {"every 0": [4, 30], "every 8": [4, 8, 16, 24, 30], "every 100": [4, 30]}
    assert steps == [25, 30]


def test_the_columns_of_observers_give_series(make_job: Callable[..., RunSpec]) -> None:
    class Extremes:
        key, every = "extremes", 15
        columns = {"low": Column("weight_min"), "high": Column("weight_max")}  # noqa: RUF012  # as a user writes it

        def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
            weights = torch.cat([x.detach().flatten() for x in model.parameters()])
            return {"low": weights.min().item(), "high": weights.max().item(), "unused": 0.0}

    result = train(make_job(), [Extremes()])
    assert list(result.series) == ["weight_min", "weight_max"]
    assert [iteration for iteration, _ in result.series["weight_min"].values] == [0, 15, 30]
    final = torch.cat([x.flatten() for x in result.final.values()])
    assert [result.series[name].values[-1][1] for name in result.series] == [final.min().item(), final.max().item()]
    assert result.series["weight_min"].of_parameter("unused") == [0.0] * 3
    assert result.series["weight_min"].of_parameter("fc1.weight") == [None] * 3
    assert result_from(json.loads(json.dumps(result.records())), {}).series == result.series


def test_uneven_data_train_to_the_last_iteration(make_network: Callable[[], nn.Module]) -> None:
    """Sizes that divide nothing: 11 examples in batches of 4, 7 iterations, evaluated every 3."""
    images, labels = torch.randn(11, 1, 6, 6, generator=rng(0)), torch.arange(11) % 3
    tensors = {"train_images": images, "train_labels": labels, "test_images": images[:5], "test_labels": labels[:5]}
    data, model = prepare("odd", tensors, validation=0), make_network()
    recipe = Plan(0, 7, 7, 4, "sgd", 0.1, 0.0, False, 0.0, "weights", "constant", (), 1.0, 0, 3, "always")
    result = train(RunSpec(model, initialize(model, "default", 0), {}, data, recipe, Seeds().resolved()))
    assert [point.iteration for point in result.points] == [0, 3, 6, 7]
    accuracy = result.train["accuracy"] or 0
    assert accuracy * 11 == pytest.approx(round(accuracy * 11))


class Sometimes(nn.Linear):
    """A network that fails in its seventh step."""

    steps = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        if self.steps == 7:
            raise KeyError("seven")
        return super().forward(images.flatten(1))


def test_an_error_of_the_model_is_one_line_with_its_iteration_and_its_cause(make_job: Callable[..., RunSpec]) -> None:
    message = r"the model, in iteration 6 of training, raised KeyError: 'seven' \(test_loop\.py, line \d+\)"
    with pytest.raises(LotteryError, match=message) as raised:
        train(make_job(model=Sometimes(36, 3)))
    assert isinstance(raised.value.__cause__, KeyError)


def test_inputs_that_are_no_numbers_are_not_trained_on(make_job: Callable[..., RunSpec], data: Data) -> None:
    images = data.validation.images.clone()
    images[2, 0, 1, 1] = torch.nan
    broken = replace(data, validation=replace(data.validation, images=images))
    with pytest.raises(
        LotteryError, match="data small: an input is NaN or infinite, at index 2 of the validation split"
    ):
        train(make_job(data=broken))
