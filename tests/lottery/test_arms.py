"""Controls share the level's density layer by layer, its recipe and data, and each differs in what it is named for."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import nn

import lth
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import address, rng
from lth.core.seeds import Seeds
from lth.core.weights import State, clone, digest, masked, norm
from lth.lottery.arms import ARMS, check, check_possible, each_level, outcomes, requested
from lth.lottery.context import Context, FreshInit, context_of
from lth.lottery.levels import Level, levels
from lth.lottery.names import meaning
from lth.models.initialize import initialize
from lth.pruning.mask import kept, prunable
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.pruning.updates import Rewiring, RigL, Set
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

BUILT_IN = {name: ARMS.get(name, "arms") for name in ARMS}
RANDOM = [name for name, one in BUILT_IN.items() if one.draws]
DENSE = ("small_dense", "dense_l1", "dense_l2")
"""Arms without a mask."""
FRESH, PLUS, REWIRED = (
    [name for name, one in BUILT_IN.items() if need in one.needs]
    for need in ("fresh_weights", "scaled_weights", "rewiring")
)

MODULE = '''
from dataclasses import replace
import lth

@lth.arm(draws=True, needs=["fresh_weights"])
def redrawn(level, context):
    """The level's mask, on weights of my own.

    A second line.
    """
    return replace(level.spec, initial_state=context.weights(level))

@lth.arm(needs=["trained_weights"])
def shuffle(level, context):
    return level.spec

def plain(level, context):
    return level.spec
'''


def pretend(spec: RunSpec) -> RunResult:
    """A fit without training: final weights drawn for each mask."""
    noise = rng(0, "pretend", digest(spec.mask))
    final = {name: x + torch.randn(x.shape, generator=noise) for name, x in spec.initial_state.items()}
    return RunResult(0, 30, states={"final": masked(final, spec.mask)})


@pytest.fixture(scope="module")
def rounds(make_job: Callable[..., RunSpec]) -> Callable[..., list[Level]]:
    """Levels 0 to 2 of the small network; keywords change its spec."""

    def make(**changes: object) -> list[Level]:
        spec = make_job(**changes)
        return list(levels(spec, resolve(spec.model, Pruning(), 2), pretend))

    return make


@pytest.fixture(scope="module")
def fresh(make_job: Callable[..., RunSpec]) -> Callable[[int], State]:
    """The initialiser of the small network, by seed."""
    return partial(initialize, make_job().model, "glorot_normal")


@pytest.fixture(scope="module")
def context(make_job: Callable[..., RunSpec], fresh: Callable[[int], State]) -> Context:
    """All that an arm can draw from."""
    spec = make_job()
    return replace(context_of(spec.model, spec.initial_state, fresh, Rewiring(0.3, 5)), initialize=fresh)


@pytest.mark.parametrize("arm", BUILT_IN)
def test_every_arm_shares_density_recipe_data_and_order(
    rounds: Callable[..., list[Level]], context: Context, arm: str
) -> None:
    level = rounds(rewind=5, schedule="step", milestones=[20])[2]
    before = digest(level.spec.mask), digest(level.spec.initial_state), digest(level.source)
    spec = BUILT_IN[arm](level, context)
    assert spec.data is level.spec.data and replace(spec.seeds, mask=0) == level.spec.seeds
    if arm in DENSE:
        assert all(mask.all() for mask in spec.mask.values())
    else:
        assert kept(spec.mask) == kept(level.spec.mask)
    assert (spec.model is level.spec.model) == (arm != "small_dense")
    assert (spec.plan.start, spec.plan.stop, spec.plan.total) == (5, 30, 30)
    assert (spec.plan == level.spec.plan) == (arm != "finetune")
    assert (spec.update is not None) == (arm in REWIRED) == (spec.seeds != level.spec.seeds)
    assert (digest(level.spec.mask), digest(level.spec.initial_state), digest(level.source)) == before


@pytest.mark.parametrize(
    ("arm", "same_mask", "weights"),
    [
        ("ticket", True, "rewind"),
        ("reinit", True, "new"),
        ("reinit_plus", True, "new"),
        ("shuffle", False, "rewind"),
        ("scratch", False, "new"),
        ("finetune", True, "trained"),
        ("restart", True, "trained"),
        *((arm, True, "new") for arm in REWIRED),
    ],
)
def test_an_arm_has_the_mask_and_the_weights_of_its_name(
    rounds: Callable[..., list[Level]], context: Context, arm: str, same_mask: bool, weights: str
) -> None:
    level = rounds()[2]
    spec = BUILT_IN[arm](level, context)
    for name in level.spec.mask:
        assert torch.equal(spec.mask[name], level.spec.mask[name]) == same_mask
        assert torch.equal(spec.initial_state[name], level.spec.initial_state[name]) == (weights == "rewind")
        assert torch.equal(spec.initial_state[name], level.source[name]) == (weights == "trained")


def test_an_arm_with_a_plus_is_scaled_to_what_the_mask_leaves_each_unit(
    rounds: Callable[..., list[Level]], context: Context
) -> None:
    level = rounds()[2]
    for arm in PLUS:
        start = BUILT_IN[arm](level, context).initial_state
        seed = address(level.spec.seeds.init, arm, 2, 0)
        assert digest(start) == digest(initialize(level.spec.model, "sparsity_aware", seed, level.spec.mask))
        dense = initialize(level.spec.model, "sparsity_aware", seed)
        inputs = level.spec.mask["fc1.weight"].sum(1, keepdim=True)  # the same draw, scaled: of 36 inputs some are left
        assert torch.allclose(start["fc1.weight"], dense["fc1.weight"] * (36 / inputs).sqrt())


def test_the_initialiser_of_a_plus_is_that_of_the_network(rounds: Callable[..., list[Level]]) -> None:
    level = rounds()[2]
    fresh = FreshInit(lambda: level.spec.model, "glorot_normal", "sparsity_aware_average_uniform")
    start = BUILT_IN["reinit_plus"](
        level, context_of(level.spec.model, level.spec.initial_state, fresh, Rewiring())
    ).initial_state
    seed = address(level.spec.seeds.init, "reinit_plus", 2, 0)
    expected = initialize(level.spec.model, "sparsity_aware_average_uniform", seed, level.spec.mask)
    assert (
        digest(start)
        == digest(expected)
        != digest(initialize(level.spec.model, "sparsity_aware", seed, level.spec.mask))
    )


def test_what_no_module_redraws_is_that_of_the_start_whatever_was_trained_meanwhile(
    make_job: Callable[..., RunSpec],
) -> None:
    spec = make_job()
    spec.model.register_parameter("own", nn.Parameter(torch.ones(3)))
    start = clone(spec.model.state_dict())
    scaled = context_of(spec.model, start, lambda seed: start, Rewiring()).scaled
    assert scaled is not None
    with torch.no_grad():
        spec.model.own.fill_(5.0)
    assert torch.equal(scaled(0, {})["own"], torch.ones(3))


def test_masks_of_dynamic_arms_change_as_the_context_says(rounds: Callable[..., list[Level]], context: Context) -> None:
    how = {arm: BUILT_IN[arm](rounds()[1], replace(context, rewiring=Rewiring(0.2, 7, 21))).update for arm in REWIRED}
    default = BUILT_IN["rigl"](rounds()[1], replace(context, rewiring=Rewiring(0.2, 7))).update
    assert default == RigL(0.2, 7, 22)  # three quarters of 30 iterations
    old = Rewiring(0.2, 7, anneal="learning_rate")
    assert BUILT_IN["set"](rounds()[1], replace(context, rewiring=old)).update == Set(0.2, 7, None, "learning_rate")
    assert how == {
        "set": Set(0.2, 7, 21),
        "rigl": RigL(0.2, 7, 21),
        "set_plus": Set(0.2, 7, 21),
        "rigl_plus": RigL(0.2, 7, 21),
    }


def test_a_dynamic_arm_trains_with_the_levels_counts(rounds: Callable[..., list[Level]], context: Context) -> None:
    level = rounds()[2]
    for arm in ("set", "rigl_plus"):
        spec = BUILT_IN[arm](level, context)
        result = train(spec)
        assert kept(result.mask(spec.mask)) == kept(level.spec.mask) != {}
        assert any(not torch.equal(x, level.spec.mask[name]) for name, x in result.mask(spec.mask).items())


@pytest.mark.parametrize(("arm", "p"), [("dense_l1", 1), ("dense_l2", 2)])
def test_dense_networks_have_the_norm_of_the_ticket_and_its_directions(
    rounds: Callable[..., list[Level]], context: Context, arm: str, p: int
) -> None:
    level = rounds()[2]
    spec, ticket = BUILT_IN[arm](level, context), level.spec
    assert norm(spec.initial_state, spec.mask, p) == pytest.approx(norm(ticket.initial_state, ticket.mask, p))
    factors = [spec.initial_state[name] / ticket.initial_state[name] for name in ticket.mask]
    weights = torch.cat([factor[factor.isfinite()] for factor in factors])
    assert 0 < weights.max() < 1 and torch.allclose(weights, weights[0].expand_as(weights))
    others = ticket.initial_state.keys() - ticket.mask.keys()
    assert others and all(torch.equal(spec.initial_state[name], ticket.initial_state[name]) for name in others)


def test_small_dense_is_a_whole_narrower_network_with_as_many_weights(
    rounds: Callable[..., list[Level]], context: Context
) -> None:
    for level in rounds()[1:]:
        spec = BUILT_IN["small_dense"](level, context)
        weights = sum(kept(spec.mask).values())
        assert list(spec.mask) == list(level.spec.mask) and all(alive.all() for alive in spec.mask.values())
        assert weights == sum(layer.size for layer in prunable(spec.model)) < 552
        assert abs(weights - sum(kept(level.spec.mask).values())) <= 20  # one unit of 36 inputs more or less
        drawn = initialize(spec.model, "default", address(level.spec.seeds.init, "small_dense", level.index, 0))
        assert digest(spec.initial_state) == digest(drawn) and train(spec).status == "done"


def test_a_narrower_network_is_drawn_in_the_models_own_way(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job()
    for initializer in ("glorot_normal", "kaiming_normal"):
        arm_context = context_of(spec.model, spec.initial_state, FreshInit(lambda: spec.model, initializer), Rewiring())
        assert arm_context.small is not None
        assert digest(arm_context.small(spec.model, 3)) == digest(initialize(spec.model, initializer, 3))


@pytest.mark.parametrize("arm", RANDOM)
def test_draws_differ_by_seed_level_and_draw_and_come_again(
    rounds: Callable[..., list[Level]], context: Context, arm: str
) -> None:
    def drawn(seed: int, level: int, draw: int) -> tuple[str, str]:
        seeds, last = Seeds(init=seed, mask=seed).resolved(), rounds()[2]
        same_mask = replace(last, index=level, spec=replace(last.spec, seeds=seeds))  # only the address differs
        spec = BUILT_IN[arm](same_mask, replace(context, draw=draw))
        return digest(spec.initial_state), digest(spec.mask)

    all_drawn = [drawn(seed, level, draw) for seed in range(2) for level in (1, 2) for draw in range(3)]
    assert len(set(all_drawn)) == 12 and drawn(1, 2, 2) == all_drawn[-1]
    for part, varies in ((0, arm != "shuffle"), (1, arm in ("shuffle", "scratch"))):
        assert len({one[part] for one in all_drawn}) == (12 if varies else 1)


def test_the_arms_draw_apart(
    rounds: Callable[..., list[Level]], context: Context, fresh: Callable[[int], State]
) -> None:
    level = rounds()[1]
    specs = {arm: BUILT_IN[arm](level, context) for arm in RANDOM}
    starts = {digest(spec.initial_state) for arm, spec in specs.items() if arm != "shuffle"}
    assert len(starts) == len(RANDOM) - 1 and digest(fresh(level.spec.seeds.init)) not in starts
    assert digest(specs["shuffle"].mask) != digest(specs["scratch"].mask)
    assert len({specs[arm].seeds.mask for arm in REWIRED}) == len(REWIRED)  # what SET grows at random


@pytest.mark.parametrize(
    ("recipe", "last"),
    [
        ({"schedule": "constant", "lr": 0.1}, 0.1),
        ({"schedule": "step", "lr": 0.1, "milestones": [10, 20], "warmup": 5}, 0.001),
        ({"schedule": "cosine", "lr": 0.1}, 0.001),  # 1%: its own last rate is next to zero
        ({"schedule": "cosine", "lr": 0.1, "warmup": 29}, 0.001),
    ],
)
def test_finetune_holds_a_low_rate_and_restart_replays_the_schedule(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], recipe: dict, last: float
) -> None:
    level = rounds(**recipe)[1]
    held, replayed = (BUILT_IN[name](level, Context(fresh)).plan for name in ("finetune", "restart"))
    assert [held.rate(n) for n in range(30)] == pytest.approx([last] * 30)
    stated = BUILT_IN["finetune"](level, Context(fresh, finetune_lr=0.02)).plan
    assert stated == replace(held, lr=0.02)
    assert [replayed.rate(n) for n in range(30)] == [level.spec.plan.rate(n) for n in range(30)]


def test_a_finetuned_network_is_trained_at_the_last_rate(make_job: Callable[..., RunSpec]) -> None:
    spec = make_job(schedule="step", milestones=[10], lr=0.01)
    level = list(levels(spec, resolve(spec.model, Pruning(), 1), train))[1]
    tuned = train(BUILT_IN["finetune"](level, Context(lambda seed: spec.initial_state)))
    assert [point.lr for point in tuned.points] == [pytest.approx(0.001)] * len(tuned.points)
    assert tuned.points[0].val_loss < level.result.points[0].val_loss


def test_outcomes_are_the_ticket_of_each_level_then_its_controls(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State]
) -> None:
    names = ["scratch", "ticket", "finetune", "reinit"]
    trained = list(outcomes(rounds(), names, pretend, Context(fresh), arm_levels=[2], draws=2))
    controls = [("reinit", 0), ("reinit", 1), ("scratch", 0), ("scratch", 1), ("finetune", 0)]
    assert [(o.level.index, o.arm, o.draw) for o in trained] == [
        *((level, "ticket", 0) for level in range(3)),
        *((2, arm, draw) for arm, draw in controls),
    ]
    assert all(o.spec is o.level.spec and o.result is o.level.result for o in trained if o.arm == "ticket")
    assert len({(digest(o.spec.initial_state), digest(o.spec.mask)) for o in trained[3:]}) == 5


@pytest.mark.parametrize(
    ("arms", "arm_levels", "draws", "named"),
    [
        (["ticket", "rigl2"], None, 1, "arms=rigl2: is no arm; did you mean rigl\\? known: ticket, reinit"),
        (["reinit"], [0], 1, "arm_levels=0: .* 1 to 3"),
        (["reinit"], [4], 1, "arm_levels=4"),
        (["reinit"], None, 0, "draws=0"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(arms: list, arm_levels: list, draws: int, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        check(arms, arm_levels, 3, draws)


def possible(spec: RunSpec, context: Context, arms: list[str], counts: list[int] | None = None) -> None:
    check_possible(arms, context, spec, prunable(spec.model), counts or [])


def test_an_arm_that_is_not_possible_is_an_error_before_anything_is_trained(
    make_job: Callable[..., RunSpec], context: Context, fresh: Callable[[int], State]
) -> None:
    spec = make_job()
    possible(spec, context, list(BUILT_IN), [552, 300, 60])
    for arm in (*PLUS, "small_dense"):
        with pytest.raises(SettingError, match=f"arms={arm}: needs an initialiser"):
            possible(spec, Context(fresh), [arm])
    with pytest.raises(SettingError, match="arms=small_dense: one unit a layer has 40 weights, more than the 39 "):
        possible(spec, context, ["small_dense"], [300, 39])
    for arm in REWIRED:
        with pytest.raises(SettingError, match=r"rewiring\.every=30: the mask would never change"):
            possible(spec, replace(context, rewiring=Rewiring(every=30)), [arm])
    still = replace(context, initialize=lambda seed: spec.initial_state, scaled=lambda seed, mask: spec.initial_state)
    for arm in (*FRESH, *PLUS):
        with pytest.raises(LotteryError, match=r"fc1\.weight was not redrawn"):
            possible(spec, still, [arm])


def test_the_documentation_has_a_row_for_every_arm() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pages" / "concepts" / "arms.md").read_text(encoding="utf-8")
    rows = page.split("| arm | mask | weights |")[1].split("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(BUILT_IN) and named[0] == "ticket"


def test_a_meaning_is_the_first_line_of_an_arms_docstring_without_its_full_stop() -> None:
    assert meaning("ticket") == "the level's mask, on the weights of the rewind point, at level 0 the dense network"
    firsts = dict.fromkeys(DENSE, "no mask")
    for arm in BUILT_IN:
        assert meaning(arm).startswith(firsts.get(arm, "the level's mask")) and not meaning(arm).endswith(".")
    assert meaning("unknown") == ""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module outside lth with arms; forgotten afterwards."""
    (tmp_path / "my_arms.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ARMS, "_known", dict(BUILT_IN))
    monkeypatch.delitem(sys.modules, "my_arms", raising=False)
    return "my_arms"


def test_an_arm_from_outside_is_trained_as_ours_are(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], module: str
) -> None:
    """Its rows have the name of its function, it draws apart, and comes after the arms of lth."""
    names = ["ticket", f"{module}:redrawn", "reinit"]
    trained = list(outcomes(rounds(), names, pretend, Context(fresh), arm_levels=[2], draws=2))[3:]
    assert [(one.arm, one.draw) for one in trained] == [("reinit", 0), ("reinit", 1), ("redrawn", 0), ("redrawn", 1)]
    assert len({digest(one.spec.initial_state) for one in trained}) == 4 and each_level(names, 2) == 4
    assert meaning("redrawn") == "the level's mask, on weights of my own"


def test_an_arm_by_entry_point_has_the_name_of_the_entry_point(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("mine", f"{module}:redrawn", "lth.arms")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "lth.arms" else [])
    assert [one.name for one in requested(["mine", "shuffle", "ticket"])] == ["ticket", "shuffle", "mine"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["my_arms:plain"], "arms=my_arms:plain: is no arm: decorate the function with @lth.arm"),
        (["my_arms:shuffle"], "arms=my_arms:shuffle: results would call it shuffle, as another arm"),
        (["shuffel"], r"arms=shuffel: is no arm; did you mean shuffle\?"),
        (["my_arms:nothing"], "arms=my_arms:nothing: cannot be imported"),
        ([3], "arms=3: must be the name of an arm"),
    ],
)
def test_what_is_no_arm_of_a_name_of_its_own_is_one_line(module: str, names: list[str], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        check(["ticket", *names], None, 3, 1)


def test_the_needs_of_an_arm_from_outside_are_checked_before_anything_is_trained(
    make_job: Callable[..., RunSpec], module: str
) -> None:
    spec = make_job()
    with pytest.raises(LotteryError, match=r"fc1\.weight was not redrawn"):
        possible(spec, Context(lambda seed: spec.initial_state), [f"{module}:redrawn"])
    with pytest.raises(ValueError, match="an arm cannot need luck; known: fresh_weights"):
        lth.arm(needs=["luck"])
