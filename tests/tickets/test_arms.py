"""Controls share the level's density layer by layer, its recipe and data, and each differs in what it is named for."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from lth.core.errors import SettingError
from lth.core.rng import Seeds, rng
from lth.core.weights import State, digest, masked
from lth.models.initialize import initialize
from lth.pruning.mask import kept, prunable
from lth.pruning.schedule import Pruning
from lth.tickets.arms import ARMS, RANDOM, Context, check, meaning, outcomes
from lth.tickets.imp import Level, levels
from lth.training.loop import Job, train
from lth.training.trace import Trace


def pretend(job: Job) -> Trace:
    """A fit without training: final weights drawn for each mask."""
    noise = rng(0, "pretend", digest(job.mask))
    final = {name: x + torch.randn(x.shape, generator=noise) for name, x in job.start.items()}
    return Trace(0, 30, states={"final": masked(final, job.mask)})


@pytest.fixture(scope="module")
def rounds(make_job: Callable[..., Job]) -> Callable[..., list[Level]]:
    """Levels 0 to 2 of the small network; keywords change its job."""

    def make(**changes: object) -> list[Level]:
        job = make_job(**changes)
        return list(levels(job, prunable(job.model), Pruning(), 2, pretend))

    return make


@pytest.fixture(scope="module")
def fresh(make_job: Callable[..., Job]) -> Callable[[int], State]:
    """The initialiser of the small network, by seed."""
    return partial(initialize, make_job().model, "glorot_normal")


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_shares_density_recipe_data_and_order(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], arm: str
) -> None:
    level = rounds(rewind=5, schedule="step", milestones=[20])[2]
    before = digest(level.job.mask), digest(level.job.start), digest(level.source)
    job = ARMS[arm](level, Context(fresh))
    assert kept(job.mask) == kept(level.job.mask) and job.data is level.job.data and job.seeds == level.job.seeds
    assert job.model is level.job.model and (job.plan.start, job.plan.stop, job.plan.total) == (5, 30, 30)
    assert (job.plan == level.job.plan) == (arm != "finetune")
    assert (digest(level.job.mask), digest(level.job.start), digest(level.source)) == before


@pytest.mark.parametrize(
    ("arm", "same_mask", "weights"),
    [
        ("ticket", True, "rewind"),
        ("reinit", True, "new"),
        ("shuffle", False, "rewind"),
        ("scratch", False, "new"),
        ("finetune", True, "trained"),
        ("restart", True, "trained"),
    ],
)
def test_an_arm_has_the_mask_and_the_weights_of_its_name(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], arm: str, same_mask: bool, weights: str
) -> None:
    level = rounds()[2]
    job = ARMS[arm](level, Context(fresh))
    for name in level.job.mask:
        assert torch.equal(job.mask[name], level.job.mask[name]) == same_mask
        assert torch.equal(job.start[name], level.job.start[name]) == (weights == "rewind")
        assert torch.equal(job.start[name], level.source[name]) == (weights == "trained")


@pytest.mark.parametrize("arm", RANDOM)
def test_draws_differ_by_seed_level_and_draw_and_come_again(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], arm: str
) -> None:
    def drawn(seed: int, level: int, draw: int) -> tuple[str, str]:
        seeds, found = Seeds(init=seed, mask=seed), rounds()[2]
        same_mask = replace(found, index=level, job=replace(found.job, seeds=seeds))  # only the address differs
        job = ARMS[arm](same_mask, Context(fresh, draw))
        return digest(job.start), digest(job.mask)

    all_drawn = [drawn(seed, level, draw) for seed in range(2) for level in (1, 2) for draw in range(3)]
    assert len(set(all_drawn)) == 12 and drawn(1, 2, 2) == all_drawn[-1]
    for part, varies in ((0, arm != "shuffle"), (1, arm != "reinit")):
        assert len({one[part] for one in all_drawn}) == (12 if varies else 1)


def test_the_arms_draw_apart(rounds: Callable[..., list[Level]], fresh: Callable[[int], State]) -> None:
    level, context = rounds()[1], Context(fresh)
    reinit, shuffle, scratch = (ARMS[name](level, context) for name in RANDOM)
    assert digest(reinit.start) != digest(scratch.start) and digest(shuffle.mask) != digest(scratch.mask)
    assert digest(reinit.start) != digest(fresh(level.job.seeds.init))


@pytest.mark.parametrize(
    ("recipe", "last"),
    [
        ({"schedule": "constant", "lr": 0.1}, 0.1),
        ({"schedule": "step", "lr": 0.1, "milestones": [10, 20], "warmup": 5}, 0.001),
        ({"schedule": "cosine", "lr": 0.1}, None),
    ],
)
def test_finetune_holds_the_last_rate_and_restart_replays_the_schedule(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State], recipe: dict, last: float | None
) -> None:
    level = rounds(**recipe)[1]
    held, replayed = (ARMS[name](level, Context(fresh)).plan for name in ("finetune", "restart"))
    last = level.job.plan.rate(29) if last is None else last
    assert [held.rate(n) for n in range(30)] == pytest.approx([last] * 30)
    assert [replayed.rate(n) for n in range(30)] == [level.job.plan.rate(n) for n in range(30)]


def test_a_finetuned_network_is_trained_at_the_last_rate(make_job: Callable[..., Job]) -> None:
    job = make_job(schedule="step", milestones=[10], lr=0.01)
    level = list(levels(job, prunable(job.model), Pruning(), 1, train))[1]
    tuned = train(ARMS["finetune"](level, Context(lambda seed: job.start)))
    assert [point.lr for point in tuned.points] == [pytest.approx(0.001)] * len(tuned.points)
    assert tuned.points[0].val_loss < level.trace.points[0].val_loss


def test_outcomes_are_the_ticket_of_each_level_then_its_controls(
    rounds: Callable[..., list[Level]], fresh: Callable[[int], State]
) -> None:
    asked = ["scratch", "ticket", "finetune", "reinit"]
    found = list(outcomes(rounds(), asked, pretend, fresh, arm_levels=[2], draws=2))
    controls = [("reinit", 0), ("reinit", 1), ("scratch", 0), ("scratch", 1), ("finetune", 0)]
    assert [(o.level.index, o.arm, o.draw) for o in found] == [
        *((level, "ticket", 0) for level in range(3)),
        *((2, arm, draw) for arm, draw in controls),
    ]
    assert all(o.job is o.level.job and o.trace is o.level.trace for o in found if o.arm == "ticket")
    assert len({(digest(o.job.start), digest(o.job.mask)) for o in found[3:]}) == 5


@pytest.mark.parametrize(
    ("arms", "arm_levels", "draws", "named"),
    [
        (["ticket", "rigl2"], None, 1, "arms=rigl2: unknown; known: ticket, reinit"),
        (["reinit"], [0], 1, "arm_levels=0: .* 1 to 3"),
        (["reinit"], [4], 1, "arm_levels=4"),
        (["reinit"], None, 0, "draws=0"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(arms: list, arm_levels: list, draws: int, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        check(arms, arm_levels, 3, draws)


def test_the_readme_says_of_the_arms_what_their_docstrings_say() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (rows,) = re.findall(r"\| arm \| mask \| weights \|\n(?:.+\n)+", readme)
    table = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", rows, re.MULTILINE))
    assert list(table) == list(ARMS)
    for arm, cells in table.items():
        said = {*re.findall(r"\w+", (ARMS[arm].__doc__ or "").lower()), "ones", "same"}  # the weights, those above
        assert set(re.findall(r"\w+", cells.lower())) <= said, arm


def test_a_meaning_is_the_first_line_of_an_arms_docstring_without_its_full_stop() -> None:
    assert meaning("ticket") == "the mask of IMP, on the weights of the rewind point, at level 0 the dense network"
    assert all(meaning(arm).startswith("the mask of IMP") and not meaning(arm).endswith(".") for arm in ARMS)
    assert meaning("unknown") == ""
