"""Every score with every shape, scope, schedule and place: exact counts, or one clear line before any training."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
from torch import nn

import lth
from lth.analysis.sensitivity import densities_of, sensitivity
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import digest, masked
from lth.data.batches import scoring_examples
from lth.data.tensors import Data
from lth.lottery.arms import Outcome
from lth.lottery.levels import Level, levels
from lth.lottery.plan import ImpPlan
from lth.lottery.scoring import gradual_of, scored_network
from lth.pruning.gradual import GradualCounts
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import dense, density, prunable
from lth.pruning.resolved import prune_to, resolve
from lth.pruning.schedule import SCHEDULES, Pruning
from lth.pruning.scores import SCORES
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.select import selection_of
from lth.pruning.updates import GradualPruning, UpdateContext
from lth.searching import search
from lth.training.loop import train
from lth.training.recipe import Recipe
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

GROUPS = {"first": ["fc1*"], "rest": ["*"]}


class Pretend:
    """A fit without training: new weights for each mask; where a spec is pruned as it goes, by that update."""

    def __init__(self, diverging: tuple[int, ...] = ()) -> None:
        self.specs: list[RunSpec] = []
        self.diverging = diverging

    def __call__(self, spec: RunSpec) -> RunResult:
        self.specs.append(spec)
        if len(self.specs) - 1 in self.diverging:
            return RunResult(0, 30, "diverged", "as asked")
        noise = rng(0, "pretend", len(self.specs))
        final = {name: x + torch.randn(x.shape, generator=noise) for name, x in spec.initial_state.items()}
        mask = spec.mask
        for iteration in range(1, spec.plan.total):
            if spec.update and spec.update.due(iteration):
                weights = {name: final[name] for name in mask}
                seed, total = spec.seeds.mask, spec.plan.total
                mask = spec.update.mask(UpdateContext(iteration, mask, weights, 1.0, seed, lambda count: {}, total))
        states = {"final": masked(final, mask)} | ({"final_mask": mask} if spec.update else {})
        return RunResult(0, 30, states=states)


def run(
    spec: RunSpec, pruning: Pruning, count: int, fit: Pretend | None = None, only: list | None = None
) -> list[Level]:
    return list(levels(spec, resolve(spec.model, pruning, count), fit or Pretend(), only))


SCOPES = {"layerwise": {}, "global": {}, "groups": {"groups": GROUPS}}


@pytest.mark.parametrize("score", list(SCORES))
@pytest.mark.parametrize("shape", ["weight", "output", "input", "2:4"])
def test_all_that_combine_keep_exactly_what_the_level_counts_say(
    make_job: Callable[..., RunSpec], score: str, shape: str
) -> None:
    """And the rest are refused; which those are is written out here."""
    spec = make_job()
    count, needs = 1 if shape == "2:4" else 2, SCORES.get(score, "score").needs
    for scope, schedule, at in product(SCOPES, SCHEDULES, ("trained", "init")):
        sense = (
            (shape != "2:4" or scope == "layerwise")
            and (at == "trained" or ("initial" not in needs and schedule != "gradual"))
            and (schedule != "gradual" or not needs)
        )
        how = {"score": score, "granularity": shape, "scope": scope, "schedule": schedule, "score_at": at, "steps": 2}
        if not sense:
            with pytest.raises(SettingError, match=r"^pruning\.(score|scope|schedule)="):
                run(spec, Pruning(**how, **SCOPES[scope]), count)
            continue
        pruning = Pruning(**how, **SCOPES[scope], fraction=0.3)
        trained = run(spec, pruning, count)
        resolved = resolve(spec.model, pruning, count)
        for level, counts in zip(trained, resolved.level_counts, strict=True):
            assert density(level.spec.mask) <= 1 and level.spec.initial_state is spec.initial_state
            if shape == "2:4":
                blocks = [mask.reshape(-1, 4).sum(1) for mask in level.spec.mask.values()]
                assert all((block == counts[name]).all() for name, block in zip(counts, blocks, strict=True))
            else:
                assert resolved.selection.count(level.spec.mask) == counts
        if schedule == "iterative":
            pairs = pairwise(level.spec.mask for level in trained)
            assert all(not (b[name] & ~a[name]).any() for a, b in pairs for name in a)


@pytest.mark.parametrize("densities", ["erk", {"fc*": 0.2, "output": 1.0}])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_layer_densities_go_with_every_schedule(
    make_job: Callable[..., RunSpec], densities: object, schedule: str
) -> None:
    spec, pruning = make_job(), Pruning(layer_densities=densities, schedule=schedule, fraction=0.5)
    for level, counts in zip(run(spec, pruning, 3), level_counts(prunable(spec.model), pruning, 3), strict=True):
        assert {name: int(mask.sum()) for name, mask in level.spec.mask.items()} == counts


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_densities_by_sensitivity_are_those_of_the_trained_dense_network(
    make_job: Callable[..., RunSpec], data: Data, schedule: str
) -> None:
    """As if what the probe tells of level 0 had been given; it takes no training of its own."""
    pruning = Pruning(layer_densities="sensitivity", schedule=schedule, fraction=0.5, tolerance=0.05)
    spec, fit = make_job(), Pretend()
    outcomes = list(searched(spec, data, pruning, fit=fit))
    densities = densities_of(sensitivity(spec.model, outcomes[0].level.result.final, data), 0.05)
    all_counts = level_counts(prunable(spec.model), replace(pruning, layer_densities=densities), 2)
    assert len(set(densities.values())) > 1 and all_counts != resolve(spec.model, pruning, 2).level_counts
    assert [{name: int(kept.sum()) for name, kept in x.level.spec.mask.items()} for x in outcomes] == all_counts
    assert len(fit.specs) == (5 if schedule == "gradual" else 3)
    assert len(list(searched(make_job(), data, pruning, fit=Pretend((0,))))) == 1


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"score_at": "init"}, r"pruning\.layer_densities=sensitivity: is measured on the trained dense network"),
        ({"scope": "global"}, r"pruning\.layer_densities=sensitivity: .*needs pruning\.scope=layerwise"),
        ({"fractions": {"output": 0.1}}, r"pruning\.fractions=.*: must all be equal"),
        ({"tolerance": 1.0}, r"pruning\.tolerance=1\.0: must be at least 0"),
    ],
)
def test_densities_by_sensitivity_that_cannot_be_are_one_line_before_any_training(
    make_job: Callable[..., RunSpec], data: Data, how: dict, problem: str
) -> None:
    with pytest.raises(SettingError, match=problem):
        searched(make_job(), data, Pruning(layer_densities="sensitivity", **how))


KNOWN = {  # as before there were shapes, groups and other scores
    (): "93902106757bf05b826a13f83ab4e918",
    (("score", "random"),): "8b2cae4d2a0db9590ab9a8076d5d1a86",
    (("scope", "global"),): "65778ed03f2457d04ae0d2064035522b",
    (("scope", "global"), ("score", "random")): "6b1c2605bf0adeca2fafa18193709e87",
}


@pytest.mark.parametrize("how", KNOWN)
def test_masks_of_magnitude_and_random_are_bit_by_bit_those_of_old(
    make_job: Callable[..., RunSpec], how: tuple
) -> None:
    spec, pruning = make_job(), Pruning(**dict(how))
    resolved = resolve(spec.model, pruning, 3)
    weights = {layer.name: spec.initial_state[layer.name] for layer in resolved.layers}
    inputs = ScoreInputs(weights, resolved.dense(), rng(7, "score", 2))
    mask = prune_to(resolved, resolved.level_counts[3], inputs)
    assert digest(mask) == KNOWN[how]


@pytest.mark.parametrize("score", ["magnitude", "random", "snip"])
@pytest.mark.parametrize("schedule", ["iterative", "one_shot"])
def test_at_initialisation_masks_need_no_training_and_survive_one_that_diverges(
    make_job: Callable[..., RunSpec], score: str, schedule: str
) -> None:
    pruning = Pruning(score=score, score_at="init", schedule=schedule)
    expected, fit = run(make_job(), pruning, 3), Pretend((0, 2))
    trained = run(make_job(), pruning, 3, fit)
    alone, few = run(make_job(), pruning, 3, only := Pretend(), [2]), [0, 2]
    assert [digest(x.spec.mask) for x in trained] == [digest(x.spec.mask) for x in expected]
    assert len(fit.specs) == 4 and trained[2].result.status == "diverged"
    assert [level.index for level in alone] == few and len(only.specs) == 2
    assert digest(alone[1].spec.mask) == digest(expected[2].spec.mask)
    if score == "magnitude":
        start = expected[0].spec.initial_state["fc1.weight"].abs()
        mask = expected[3].spec.mask["fc1.weight"]
        assert start[~mask].max() <= start[mask].min()


def test_a_score_of_the_network_sees_what_its_job_holds(make_job: Callable[..., RunSpec], data: Data) -> None:
    """Trained weights and the training split; with other test and validation images it is the same."""
    spec = make_job()
    other = replace(data, test=data.train, validation=data.train)
    pruning = Pruning(score="snip", scope="global", fraction=0.5)
    masks = [run(x, pruning, 1)[1].spec.mask for x in (spec, replace(spec, data=other))]
    assert digest(masks[0]) == digest(masks[1])
    few = replace(pruning, examples=2)
    networks = [scored_network(spec, spec.initial_state, resolve(spec.model, x, 1)) for x in (pruning, few, Pruning())]
    assert [network and len(network.images) for network in networks] == [30, 6, None]


def test_gradual_levels_are_a_training_each_and_end_where_it_diverges(make_job: Callable[..., RunSpec]) -> None:
    fit, pruning = Pretend(), Pruning(schedule="gradual")
    trained = run(make_job(), pruning, 3, fit, [1, 3])
    assert [level.index for level in trained] == [0, 1, 3] and len(fit.specs) == 5
    assert [spec.update is not None for spec in fit.specs] == [False, True, False, True, False]
    assert trained[2].source is not None and digest(masked(trained[2].source, trained[2].spec.mask)) == digest(
        trained[2].source
    )
    ended = run(make_job(), pruning, 3, diverging := Pretend((3,)))
    assert [level.index for level in ended] == [0, 1] and len(diverging.specs) == 4


def test_a_gradual_training_ends_with_the_mask_of_its_level(make_job: Callable[..., RunSpec]) -> None:
    spec, pruning = make_job(), Pruning(schedule="gradual", granularity="output", fraction=0.5)
    pruning.gradual.every = 5
    resolved = resolve(spec.model, pruning, 2)
    update = gradual_of(spec, resolved, resolved.level_counts[2])
    assert (update.begin, update.end) == (7, 22)
    result = train(replace(spec, mask=resolved.dense(), update=update))
    mask = result.mask({})
    assert resolved.selection.count(mask) == resolved.level_counts[2] == {"fc1.weight": 3, "fc2.weight": 2}
    assert all(not result.final[name][~kept].any() for name, kept in mask.items())


def test_of_single_magnitudes_it_is_the_gradual_pruning_of_gradient_flow(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job(model=nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.Linear(20, 3)))
    layers = prunable(spec.model)
    first = GradualPruning(0.1, 5, 20, 5)
    keep = {layer.name: layer.size // 10 for layer in layers}
    second = GradualCounts("magnitude", selection_of(Pruning(), layers), keep, 5, 20, 5)
    results = [train(replace(spec, mask=dense(layers), update=update)) for update in (first, second)]
    assert (
        len({digest(result.final) for result in results}) == len({digest(result.mask({})) for result in results}) == 1
    )


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ({"every": 0}, r"pruning\.gradual\.every=0: must be at least one"),
        ({"begin": 20, "end": 10}, r"pruning\.gradual\.begin=20: must lie between"),
        ({"end": 30}, r"pruning\.gradual\.end=30: must lie before the end"),
        ({"begin": 1, "end": 8, "every": 5}, r"pruning\.gradual\.every=5: 1 to 8 is no multiple"),
        ({"begin": "soon"}, r"pruning\.gradual\.begin=soon: must be a duration"),
    ],
)
def test_times_that_do_not_fit_are_one_line_before_any_training(
    make_job: Callable[..., RunSpec], data: Data, times: dict, problem: str
) -> None:
    pruning = Pruning(schedule="gradual")
    for key, value in times.items():
        setattr(pruning.gradual, key, value)
    with pytest.raises(SettingError, match=problem):
        searched(make_job(), data, pruning)


def searched(spec: RunSpec, data: Data, pruning: Pruning, *arms: str, fit: Pretend | None = None) -> Iterator[Outcome]:
    plan = ImpPlan(Recipe(iterations=30, batch_size=20), pruning, 2, 0, ("ticket", *arms))
    return search(
        spec.model,
        spec.initial_state,
        data,
        Seeds().resolved(),
        plan,
        fit or Pretend(),
        lambda seed: spec.initial_state,
    )


@pytest.mark.parametrize("arm", ["finetune", "restart"])
def test_arms_on_trained_weights_are_refused_where_there_are_none(
    make_job: Callable[..., RunSpec], data: Data, arm: str
) -> None:
    with pytest.raises(SettingError, match=f"arms={arm}: goes on from trained weights"):
        searched(make_job(), data, Pruning(score_at="init"), arm)


@pytest.mark.parametrize("only", [None, [2]])
@pytest.mark.parametrize(("schedule", "at"), [(x, "trained") for x in SCHEDULES] + [(x, "init") for x in SCHEDULES[:2]])
def test_as_many_trainings_are_planned_as_are_done(
    make_job: Callable[..., RunSpec], data: Data, schedule: str, at: str, only: list | None
) -> None:
    how = {"schedule": schedule, "score_at": at}
    spec, fit = make_job(), Pretend()
    plan = ImpPlan(Recipe(iterations=30, batch_size=20), Pruning(**how), 3, arm_levels=only)
    list(search(spec.model, spec.initial_state, data, Seeds().resolved(), plan, fit, lambda seed: spec.initial_state))
    assert len(fit.specs) == plan.trainings


@pytest.mark.parametrize("shape", ["weight", "output", "input", "2:4"])
def test_what_level_counts_leave_is_known_in_weights_beforehand(make_job: Callable[..., RunSpec], shape: str) -> None:
    spec, pruning = make_job(), Pruning(granularity=shape)
    mask = run(spec, pruning, 1)[1].spec.mask
    assert resolve(spec.model, pruning, 1).weights_left(1) == sum(int(kept.sum()) for kept in mask.values())


@pytest.mark.parametrize(
    "how",
    [
        {"score": "grasp_magnitude", "score_at": "init", "schedule": "one_shot", "scope": "global"},
        {"score": "movement", "granularity": "output"},
        {"schedule": "gradual", "layer_densities": "erk"},
    ],
    ids=["at init", "channels", "gradual"],
)
def test_find_ticket_and_prune_take_them_all(
    make_network: Callable[[], nn.Module], tensors: dict[str, torch.Tensor], how: dict
) -> None:
    train, test = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    model, pruning = make_network(), Pruning(**how, fraction=0.4)
    pruning.gradual.every = 2
    lottery = lth.find_ticket(
        model, train, test, levels=1, recipe=Recipe(iterations=12, batch_size=20), pruning=pruning
    )
    resolved = resolve(model, pruning, 1)
    assert resolved.selection.count(lottery.tickets[1].mask) == resolved.level_counts[1]
    assert (
        lottery.rows[1]["schedule"] == pruning.schedule_label
        and lottery.rows[1]["density"] == lottery.tickets[1].density
    )
    if pruning.schedule != "gradual":
        once = {key: value for key, value in how.items() if key not in ("score_at", "schedule")}
        state = lottery.levels[0].result.final if pruning.score_at == "trained" else model.state_dict()
        scored = make_network()
        scored.load_state_dict(state)
        chosen = scoring_examples(lottery.levels[0].spec.data.train, 10)
        more = {"initial": model.state_dict(), "examples": (chosen.images, chosen.labels)}
        assert digest(lth.prune(scored, 0.4, **once, **more)) == digest(lottery.tickets[1].mask)


@pytest.mark.parametrize("shape", ["output", "input", "2:4"])
def test_a_shuffled_mask_has_the_shape_of_its_tickets(make_job: Callable[..., RunSpec], data: Data, shape: str) -> None:
    """As many units in each layer; blocks of N:M keep N. In other places, and in others again for another draw."""
    spec, pruning = make_job(), Pruning(granularity=shape, fraction=0.5)
    resolved = resolve(spec.model, pruning, 1)
    plan = ImpPlan(Recipe(iterations=30, batch_size=20), pruning, 1, 0, ("ticket", "shuffle"), draws=2)
    trained = list(
        search(
            spec.model, spec.initial_state, data, Seeds().resolved(), plan, Pretend(), lambda seed: spec.initial_state
        )
    )[1:]
    for name in (layer.name for layer in resolved.layers):
        masks = [outcome.spec.mask[name] for outcome in trained]
        assert len({int(mask.sum()) for mask in masks}) == 1 and len({digest({name: x}) for x in masks}) == 3
        for mask in masks:
            if shape == "2:4":
                assert (mask.reshape(-1, 4).sum(1) == 2).all()
            else:
                slices = mask.movedim(0 if shape == "output" else 1, 0).flatten(1)
                assert (
                    torch.equal(slices.any(1), slices.all(1))
                    and int(slices.any(1).sum()) == resolved.level_counts[1][name]
                )


def test_what_a_score_needs_is_asked_for_in_one_line(make_network: Callable[[], nn.Module]) -> None:
    with pytest.raises(LotteryError, match=r"score snip needs .* give examples="):
        lth.prune(make_network(), 0.5, score="snip")
    for wrong in ({}, {layer.name: torch.zeros(1) for layer in prunable(make_network())}):
        with pytest.raises(LotteryError, match=r"initial does not fit: fc1.weight is \(12, 36\), initial has"):
            lth.prune(make_network(), 0.5, score="movement", initial=wrong)
    with pytest.raises(SettingError, match=r"densities=sensitivity: is measured in a search"):
        lth.prune(make_network(), 0.5, layer_densities="sensitivity")
    with pytest.raises(LotteryError, match=r"score movement needs .* give initial="):
        lth.prune(make_network(), 0.5, score="movement")
