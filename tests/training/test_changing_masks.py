"""Masks that change in training: exact zeros, exact counts, fresh momentum, and the same bits after a kill."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lth.analysis.gradient import GradientNorm
from lth.core.errors import LotteryError, SettingError
from lth.core.seeds import Seeds
from lth.core.weights import Mask, State, clone, digest
from lth.pruning.mask import dense, kept, prunable
from lth.pruning.updates import GradualPruning, RigL, Set
from lth.training import steps
from lth.training.checkpoint import Checkpoint
from lth.training.gradient import examples, gradient_of
from lth.training.loop import train
from lth.training.optimizer import make_optimizer
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

OPTIMIZERS = {
    "adam": {"optimizer": "adam", "lr": 0.01, "schedule": "cosine"},
    "adamw": {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "decay": "all"},
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "schedule": "cosine"},
}
UPDATES = {"gradual": GradualPruning(0.2, 5, 20, 5), "set": Set(0.3, 5), "rigl": RigL(0.3, 5, 20, "learning_rate")}
by_optimizer = pytest.mark.parametrize("recipe", OPTIMIZERS.values(), ids=OPTIMIZERS)
by_update = pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
HERE = {"torch": "1"}


class Watch:
    """Looks at everything after every iteration; at its `last` look, the training is killed."""

    key, every, columns = "watch", 1, {}

    def __init__(self, optimizers: list[torch.optim.Optimizer] | None = None, last: int | None = None) -> None:
        self.optimizers, self.last = optimizers, last
        self.masks: list[Mask] = []
        self.weights: list[State] = []
        self.momenta: list[dict[str, list[torch.Tensor]]] = []

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        self.masks.append(clone(spec.mask))
        self.weights.append(clone(model.state_dict()))
        if self.optimizers:
            state, named = self.optimizers[0].state, dict(model.named_parameters())
            self.momenta.append(
                {
                    name: [
                        x.clone() for x in state.get(weight, {}).values() if x is not None and x.shape == weight.shape
                    ]
                    for name, weight in named.items()
                }
            )
        if len(self.masks) == self.last:
            raise KeyboardInterrupt
        return {"kept": float(sum(kept(spec.mask).values()))}


@pytest.fixture
def optimizers(monkeypatch: pytest.MonkeyPatch) -> list[torch.optim.Optimizer]:
    """The optimisers that trainings make, as they make them."""
    made: list[torch.optim.Optimizer] = []
    monkeypatch.setattr(steps, "make_optimizer", lambda *args: made.append(make_optimizer(*args)) or made[-1])
    return made


@pytest.fixture(scope="module")
def changing(make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask]) -> Callable[..., RunSpec]:
    """A training whose mask changes, from a full mask where it is pruned, else from a half mask."""

    def make(update: GradualPruning | Set | RigL, **recipe: object) -> RunSpec:
        spec = make_job(**recipe)
        gradual = isinstance(update, GradualPruning)
        return replace(spec, mask=dense(prunable(spec.model)) if gradual else half_mask(spec.model), update=update)

    return make


@by_update
@by_optimizer
def test_pruned_weights_and_their_momentum_are_exactly_zero_and_new_ones_start_so(
    changing: Callable[..., RunSpec], optimizers: list[torch.optim.Optimizer], update: object, recipe: dict
) -> None:
    watch, spec = Watch(optimizers), changing(update, **recipe)
    result = train(spec, [watch])
    assert len(watch.masks) == 31 and result.status == "done"
    changes = 0
    for n, (mask, weights, momenta) in enumerate(zip(watch.masks, watch.weights, watch.momenta, strict=True)):
        for name, alive in mask.items():
            for tensor in (weights[name], *momenta[name]):
                assert tensor.isfinite().all() and not tensor[~alive].any()
            changed = alive ^ watch.masks[max(n - 1, 0)][name]
            assert not changed.any() or (n % 5 == 0 and n < 30)
            changes += int(changed.sum())
            for tensor in (weights[name], *momenta[name]):
                assert not tensor[changed].any()
    assert changes > 50
    stateful = recipe.get("momentum", 0.9) > 0
    assert stateful == any(x[alive].any() for name, alive in watch.masks[-1].items() for x in watch.momenta[-1][name])


@by_optimizer
def test_a_new_weight_goes_on_as_if_it_had_always_been_zero(
    changing: Callable[..., RunSpec], optimizers: list[torch.optim.Optimizer], recipe: dict
) -> None:
    """The first step after an update moves those that grew; a weight that was kept has kept its value and momentum."""
    watch = Watch(optimizers)
    train(changing(RigL(0.3, 5), **recipe), [watch])
    for name, after in watch.masks[5].items():
        before = watch.masks[4][name]
        grown = after & ~before
        assert grown.any() and (watch.weights[6][name][grown] != 0).float().mean() > 0.5
        for first, second in zip(watch.momenta[4][name], watch.momenta[5][name], strict=True):
            assert (second[before & after] != 0).sum() >= 0.5 * (first[before & after] != 0).sum()


def test_gradual_pruning_keeps_the_asked_counts_at_every_iteration(changing: Callable[..., RunSpec]) -> None:
    watch, update = Watch(), GradualPruning(0.2, 5, 20, 5)
    result = train(changing(update), [watch])
    for n, mask in enumerate(watch.masks):
        density = update.density_at(n - n % 5)
        assert kept(mask) == {name: round(density * alive.numel()) for name, alive in mask.items()}
        if n:
            assert not any((alive & ~watch.masks[n - 1][name]).any() for name, alive in mask.items())
    assert kept(result.mask({})) == {"fc1.weight": 86, "fc2.weight": 19, "output.weight": 5}


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (Set(0.3, 5, anneal="learning_rate"), [5, 10, 15, 20, 25]),  # not after the last step
        (RigL(0.3, 5, 20, "learning_rate"), [5, 10, 15, 20]),
        (Set(0.3, 5), [5, 10, 15, 20]),  # the cosine ends at 22
        (RigL(0.3, 5, 20), [5, 10, 15]),
    ],
)
def test_rewiring_keeps_each_layers_count_throughout(
    changing: Callable[..., RunSpec], update: Set | RigL, expected: list[int]
) -> None:
    watch, spec = Watch(), changing(update)
    result = train(spec, [watch])
    assert all(kept(mask) == kept(spec.mask) for mask in [*watch.masks, result.mask(spec.mask)])
    turns = [n for n in range(1, 31) if digest(watch.masks[n]) != digest(watch.masks[n - 1])]
    assert turns == expected


def test_rigl_grows_where_the_dense_gradient_of_fixed_examples_is_largest(changing: Callable[..., RunSpec]) -> None:
    """Brute force on the network as it is after the step and before the update: all of it by sorted lists."""
    spec = changing(RigL(0.3, 5, anneal="learning_rate", examples=40), optimizer="sgd", lr=0.1, momentum=0.0)
    before = train(replace(spec, update=None), keep_at=[5])
    after = train(spec, keep_at=[5])
    model, some = spec.model, examples(spec.data.train, 40, last=True)
    model.load_state_dict(before.at(5))
    gradient = gradient_of(model, some)
    for name, alive in spec.mask.items():
        weights, pulls = before.at(5)[name].abs().flatten(), gradient[name].abs().flatten()
        active = sorted(alive.flatten().nonzero().flatten().tolist(), key=lambda place: weights[place].item())
        stays = set(active[round(0.3 * len(active)) :])
        free = sorted(set(range(len(weights))) - stays, key=lambda place: -pulls[place].item())
        expected = stays | set(free[: len(active) - len(stays)])
        assert set(after.mask(spec.mask, 5)[name].flatten().nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize("anneal", ["cosine", "learning_rate"])
def test_the_share_that_goes_follows_the_learning_rate_or_not(changing: Callable[..., RunSpec], anneal: str) -> None:
    moved = []
    for schedule in ({"schedule": "constant"}, {"schedule": "step", "milestones": [3], "gamma": 0.1}):
        watch, spec = Watch(), changing(Set(0.3, 5, anneal=anneal), **schedule)
        train(spec, [watch])
        moved.append(int((watch.masks[4]["fc1.weight"] ^ watch.masks[5]["fc1.weight"]).sum()) / 2)
    alive = kept(spec.mask)["fc1.weight"]
    assert 0.1 * alive < moved[0] <= round(0.3 * alive)
    assert moved[1] > 0.1 * alive if anneal == "cosine" else 0 < moved[1] <= round(0.03 * alive)


@by_update
@pytest.mark.parametrize("look", [2, 5, 6, 7, 21, 30])
def test_a_killed_training_goes_on_to_the_same_bits_across_updates(
    changing: Callable[..., RunSpec],
    make_rich_network: Callable[[], nn.Module],
    tmp_path: Path,
    update: object,
    look: int,
) -> None:
    spec = changing(update, model=make_rich_network(), schedule="cosine")
    unbroken = train(spec, [Watch()], keep_at=[4, 5])
    with pytest.raises(KeyboardInterrupt):
        train(spec, [Watch(last=look)], Checkpoint(tmp_path / "c", 0, HERE), keep_at=[4, 5])
    watch = Watch()
    resumed = train(spec, [watch], Checkpoint(tmp_path / "c", 0, HERE), keep_at=[4, 5])
    assert len(watch.masks) == (31 if look == 2 else 32 - look)
    assert equal(resumed, unbroken) and {"at_5_mask", "final_mask"} <= set(resumed.states)


def equal(first: RunResult, second: RunResult) -> bool:
    timeless = [replace(result, seconds=0, evaluation_seconds=0).records() for result in (first, second)]
    states = [{key: digest(state) for key, state in result.states.items()} for result in (first, second)]
    return timeless[0] == timeless[1] and states[0] == states[1]


@by_update
def test_the_same_job_gives_the_same_bits_and_stays_as_it_was(changing: Callable[..., RunSpec], update: object) -> None:
    spec = changing(update)
    before = digest(spec.mask), digest(spec.initial_state)
    first = train(spec)
    assert equal(train(spec), first) and (digest(spec.mask), digest(spec.initial_state)) == before
    other = train(replace(spec, seeds=Seeds(mask=1).resolved()))
    assert equal(other, first) == (not isinstance(update, Set))


@by_update
@pytest.mark.parametrize("iteration", [4, 5, 13, 20])
def test_what_is_kept_on_the_way_is_what_a_training_that_stops_there_ends_with(
    changing: Callable[..., RunSpec], update: object, iteration: int
) -> None:
    """At an iteration whose update is due too: it has happened already."""
    spec = changing(update, schedule="cosine")
    full = train(spec, keep_at=[0, iteration, 30])
    part = train(replace(spec, plan=replace(spec.plan, stop=iteration)))
    assert digest(full.at(iteration)) == digest(part.final)
    assert digest(full.mask(spec.mask, iteration)) == digest(part.mask(spec.mask))
    assert digest(full.at(30)) == digest(full.final) and "at_30" not in full.states
    assert digest(full.mask(spec.mask, 0)) == digest(spec.mask)
    assert equal(train(spec), replace(full, states={k: x for k, x in full.states.items() if not k.startswith("at_")}))


def test_without_an_update_the_weights_on_the_way_are_kept_too(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    full, part = train(spec, keep_at=[11]), train(make_job(stop=11))
    assert digest(full.at(11)) == digest(part.final) and set(full.states) == {"final", "early_stop", "at_11", "correct"}
    assert full.mask(spec.mask) is spec.mask is full.mask(spec.mask, "early_stop") is full.mask(spec.mask, 11)


def test_the_mask_of_the_early_stop_is_kept_beside_it(changing: Callable[..., RunSpec]) -> None:
    watch, spec = Watch(), changing(GradualPruning(0.2, 5, 20, 5), evaluate_every=1, lr=0.05)
    result = train(spec, [watch])
    assert result.early_stop is not None
    assert digest(result.mask(spec.mask, "early_stop")) == digest(watch.masks[result.early_stop.iteration])


def test_the_gradient_norm_is_that_of_the_present_mask_and_is_seen_before_updates_too(
    changing: Callable[..., RunSpec],
) -> None:
    probe, update = GradientNorm(0, before_updates=True), GradualPruning(0.5, 5, 15, 5)  # no unit loses all inputs
    result = train(changing(update, lr=1e-9, optimizer="sgd", momentum=0.0), [probe, Watch()])
    norms = dict(result.observed[probe.key])
    assert sorted(norms) == [0, 5, 10, 15, 30] and "before_updates" in probe.key
    assert all(("before/total" in norms[n]) == (n in (5, 10, 15)) for n in norms)
    assert norms[5]["total"] == norms[5]["before/total"]  # the density is 1 there: nothing went
    assert norms[10]["total"] < norms[10]["before/total"] == pytest.approx(norms[5]["total"], rel=1e-3)
    assert norms[15]["before/total"] == pytest.approx(norms[10]["total"], rel=1e-3)


def test_a_training_that_diverges_ends_as_any_other(changing: Callable[..., RunSpec], wild_rate: None) -> None:
    for update in (GradualPruning(0.2, 5, 20, 5), Set(0.3, 5), RigL(0.3, 5)):
        result = train(changing(update, optimizer="sgd", evaluate_every=100), keep_at=[29])
        assert result.status == "diverged" and "final" not in result.states and "final_mask" in result.states


def test_what_does_not_fit_is_one_line_before_the_first_step(changing: Callable[..., RunSpec]) -> None:
    spec = changing(Set(0.3, 5))
    for wrong, named in (
        (replace(spec, update=Set(0.3, 30)), "rewiring.every=30: the mask would never change"),
        (replace(spec, update=GradualPruning(0.5, 0, 30, 10)), "gradual.end=30"),
        (
            replace(spec, mask={"fc1.weight": torch.ones(2, 2)}),
            r"mask does not fit: fc1.weight is \(2, 2\), .*\(12, 36\)",
        ),
        (replace(spec, mask={"nothing": torch.ones(2)}), "the model has nothing of that name"),
    ):
        with pytest.raises(LotteryError, match=named):
            train(wrong)
    for iteration in (-1, 31):
        with pytest.raises(SettingError, match=f"keep_at={iteration}: lies outside .* 0 to 30"):
            train(spec, keep_at=[3, iteration])


def test_a_frozen_layer_has_no_gradient_to_grow_by(changing: Callable[..., RunSpec]) -> None:
    spec = changing(RigL(0.3, 5))
    spec.model.fc1.requires_grad_(False)
    with pytest.raises(LotteryError, match=r"fc1\.weight has no gradient"):
        train(spec)
