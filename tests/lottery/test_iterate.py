"""Three ways to iterate: each level is what its way says by hand; all share the dense network and the densities."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lth
from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import digest, masked
from lth.lottery.arms import ARMS
from lth.lottery.context import Context
from lth.lottery.iterate import WAYS, Iterate
from lth.lottery.levels import Level, levels, rewound
from lth.lottery.plan import ImpPlan
from lth.pruning.mask import kept
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.searching import search
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.store.runs import Store
from lth.training.loop import train
from lth.training.recipe import Recipe
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

LOW_RATE = {"iterate": "finetune", "finetune_lr": 1e-4}
STEP = {"optimizer": "sgd", "lr": 0.1, "schedule": "step", "milestones": [15, 25]}


def pretend(spec: RunSpec) -> RunResult:
    """A fit without training: the weights move by chance, another one for each spec."""
    noise = rng(0, "pretend", digest(spec.initial_state), digest(spec.mask), spec.plan.stop)
    final = {name: x + torch.randn(x.shape, generator=noise) for name, x in spec.initial_state.items()}
    return RunResult(spec.plan.start, spec.plan.stop, states={"final": masked(final, spec.mask)})


def run(
    spec: RunSpec,
    iterate: Iterate,
    count: int = 2,
    schedule: str = "iterative",
    fit: Callable[[RunSpec], RunResult] = pretend,
) -> list[Level]:
    pruning = resolve(spec.model, Pruning(schedule=schedule, scope="global"), count)
    return list(levels(spec, pruning, fit, iterate=iterate))


@pytest.fixture
def spec(make_job: Callable[..., RunSpec], make_rich_network: Callable[[], nn.Module]) -> RunSpec:
    """A network with BatchNorm, at iteration 8 of a training by SGD with a step schedule."""
    return rewound(make_job(model=make_rich_network(), rewind=8, **STEP), train)


@pytest.mark.parametrize("schedule", ["iterative", "one_shot"])
@pytest.mark.parametrize(
    "iterate", [Iterate("lr"), Iterate("finetune"), Iterate("finetune", 0.03, 5)], ids=["lr", "finetune", "shorter"]
)
def test_a_level_is_by_hand_the_trained_weights_pruned_and_trained_on(
    spec: RunSpec, same_bits: Callable[..., bool], iterate: Iterate, schedule: str
) -> None:
    """With the schedule and data order from the rewind point on, or at a held rate; buffers go along."""
    trained = run(spec, iterate, schedule=schedule, fit=train)
    before = {index: trained[index - 1 if schedule == "iterative" else 0] for index in (1, 2)}
    for index, level in enumerate(trained[1:], 1):
        start = before[index].result.final
        by_hand = replace(spec, initial_state=start, mask=level.spec.mask)
        if iterate.way == "finetune":
            rate, stop = (0.03, 13) if iterate.finetune_length else (0.1 * 0.1**2, 30)
            plan = replace(spec.plan, lr=rate, schedule="constant", milestones=(), gamma=1.0, stop=stop, total=stop)
            by_hand = replace(by_hand, plan=plan)
        assert same_bits(level.result.final, train(by_hand).final)
        assert [point.lr for point in level.result.points] == [
            by_hand.plan.rate(min(point.iteration, by_hand.plan.stop - 1)) for point in level.result.points
        ]
        steps = by_hand.plan.stop - spec.plan.start
        assert level.result.final["1.num_batches_tracked"] == start["1.num_batches_tracked"] + steps
        sizes = torch.cat([start[name].abs()[mask] for name, mask in level.spec.mask.items()])
        gone = [start[name].abs()[before[index].spec.mask[name] & ~mask] for name, mask in level.spec.mask.items()]
        assert torch.cat(gone).max() <= sizes.min()


@pytest.mark.parametrize("schedule", ["iterative", "one_shot"])
def test_ways_have_one_dense_network_equal_counts_and_masks_that_shrink(spec: RunSpec, schedule: str) -> None:
    by_way = {way: run(spec, Iterate(way), 4, schedule) for way in WAYS}
    for trained in by_way.values():
        assert digest(trained[0].ticket_spec.initial_state) == digest(spec.initial_state)
        assert fingerprint(fingerprint_inputs(trained[0].ticket_spec)) == fingerprint(
            fingerprint_inputs(by_way["weights"][0].spec)
        )
        for before, after in pairwise(trained):
            assert not any(bool((after.spec.mask[name] & ~mask).any()) for name, mask in before.spec.mask.items())
        assert [level.density for level in trained] == [level.density for level in by_way["weights"]]
        assert digest(trained[1].spec.mask) == digest(by_way["weights"][1].spec.mask)
        assert sum(kept(trained[4].spec.mask).values()) == sum(kept(by_way["weights"][4].spec.mask).values())


def test_controls_begin_where_they_always_do(spec: RunSpec) -> None:
    """At each level's mask from the rewind point, by the whole rest of the schedule, however the ticket is trained."""
    for way in WAYS:
        for level in run(spec, Iterate(way, finetune_length=5)):
            assert replace(level.spec, mask=spec.mask) == spec
            assert ARMS.get("ticket", "arms")(level, Context(lambda seed: {})) == level.ticket_spec


@pytest.mark.parametrize(("way", "arm"), [("lr", "restart"), ("finetune", "finetune")])
def test_the_first_level_is_the_control_of_that_kind_on_the_tickets_mask(spec: RunSpec, way: str, arm: str) -> None:
    """One training in the store; later levels differ, as the control goes on from the ticket's own weights."""
    first, ticket = run(spec, Iterate(way))[1], run(spec, Iterate("weights"))[1]
    control = ARMS.get(arm, "arms")(ticket, Context(lambda seed: {}))
    specs = (first.ticket_spec, control)
    assert len({fingerprint(fingerprint_inputs(one)) for one in specs}) == 1


@pytest.mark.parametrize("way", ["lr", "finetune"])
def test_a_chain_that_was_broken_off_goes_on_from_the_store_to_the_same_bits(
    make_job: Callable[..., RunSpec], tmp_path: Path, way: str
) -> None:
    spec, pruning = make_job(**STEP), Pruning()
    store = Store(tmp_path, 0)
    for level in levels(spec, resolve(spec.model, pruning, 3), store.train, iterate=Iterate(way)):
        if level.index == 1:
            break
    again = Store(tmp_path, 0)
    resumed = list(levels(spec, resolve(spec.model, pruning, 3), again.train, iterate=Iterate(way)))
    unbroken = list(levels(spec, resolve(spec.model, pruning, 3), train, iterate=Iterate(way)))
    assert len(again.trained) == 2
    assert [digest(x.result.final) for x in resumed] == [digest(x.result.final) for x in unbroken]


def test_a_ticket_says_how_it_was_found_and_holds_what_its_training_began_with(spec: RunSpec) -> None:
    for way in WAYS:
        before, level = run(spec, Iterate(way))[1:]
        ticket = level.ticket(seed=3)
        start = spec.initial_state if way == "weights" else before.result.final
        assert digest(ticket.state) == digest(start) and ticket.rewind == spec.plan.start
        assert ticket.provenance.get("iterate", "weights") == way


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"iterate": "lottery"}, "iterate=lottery: must be one of weights, lr, finetune"),
        ({"iterate": "lr", "pruning": Pruning(score_at="init")}, "iterate=lr: goes on from trained weights"),
        ({"iterate": "finetune", "pruning": Pruning(schedule="gradual")}, "iterate=finetune: .* prunes within"),
        ({"iterate": "finetune"}, "iterate=finetune: needs a rate lower than recipe.schedule=constant ends with"),
        (LOW_RATE | {"finetune_length": "0ep"}, "finetune_length=0ep: must be at least one iteration"),
        (LOW_RATE | {"finetune_length": "soon"}, "finetune_length=soon: must be a duration"),
    ],
)
def test_what_makes_no_sense_is_an_error_before_any_training(
    make_job: Callable[..., RunSpec], settings: dict[str, Any], named: str
) -> None:
    spec = make_job()
    with pytest.raises(SettingError, match=named):
        plan = ImpPlan(**{"recipe": Recipe(iterations=30, batch_size=20), "pruning": Pruning(), "levels": 1} | settings)
        search(spec.model, spec.initial_state, spec.data, Seeds().resolved(), plan, pretend, lambda seed: {})


def test_a_loop_of_the_users_replays_its_own_schedule_from_the_rewind_point_and_holds_no_rate() -> None:
    starts: list[tuple[int, int, float, torch.Tensor]] = []

    def fit(run: Any) -> dict[str, float]:
        optimizer = torch.optim.SGD(run.model.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 6])
        run.attach(optimizer, schedule)
        weights = run.model[0].weight.detach().clone()
        for number, step in enumerate(run.steps(8)):
            if not number:
                starts.append((run.level, step, optimizer.param_groups[0]["lr"], weights))
            inputs = torch.randn(8, 4, generator=run.rng(step))
            loss = (run.model(inputs)[:, 0] - inputs.sum(1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return {"test_mse": loss.item()}

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))

    found = lth.search(build, fit, levels=2, rewind=3, iterate="lr", arms=["ticket", "reinit"])[0]
    assert [row["iterate"] for row in found.rows] == ["lr"] * 5
    tickets = [start for start in starts if start[0]][::2]
    for (level, step, rate, weights), before in zip(tickets, found.levels, strict=False):
        final, mask = before.result.final["0.weight"], found.levels[level].spec.mask["0.weight"]
        assert (step, rate) == (3, pytest.approx(0.01)) and torch.equal(weights, final * mask)
    with pytest.raises(SettingError, match="iterate=finetune: sets the learning rate, which your own loop does itself"):
        lth.search(build, fit, levels=1, iterate="finetune")
