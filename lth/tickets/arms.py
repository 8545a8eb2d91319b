"""Arms: the ticket itself and its controls, all at the ticket's density layer by layer, recipe and data order.

The first line of an arm's docstring is what pages and captions say of it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.core.rng import address, rng
from lth.core.weights import Mask, State
from lth.pruning.mask import shuffled
from lth.tickets.imp import Fit, Level
from lth.training.loop import Job
from lth.training.trace import Trace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What an arm may draw from: `initialize` gives a fresh initial state by seed, `draw` numbers the repeats."""

    initialize: Callable[[int], State]
    draw: int = 0

    def weights(self, arm: str, level: Level) -> State:
        """A new draw of the initialiser, addressed by (seed, level, draw)."""
        return self.initialize(address(level.job.seeds.init, arm, level.index, self.draw))

    def mask(self, arm: str, level: Level) -> Mask:
        """The level's mask, shuffled within each layer, addressed by (seed, level, draw)."""
        return shuffled(level.job.mask, rng(level.job.seeds.mask, arm, level.index, self.draw))


Arm = Callable[[Level, Context], Job]


def ticket(level: Level, context: Context) -> Job:
    """The mask of IMP, on the weights of the rewind point, at level 0 the dense network.

    The winning ticket of Frankle & Carbin 2019, where it wins.
    """
    return level.job


def reinit(level: Level, context: Context) -> Job:
    """The mask of IMP, on a new draw of the initialiser (random reinitialisation).

    Frankle & Carbin 2019, section 2.
    """
    return replace(level.job, start=context.weights("reinit", level))


def shuffle(level: Level, context: Context) -> Job:
    """The mask of IMP, shuffled within each layer, on the weights of the rewind point (random sparsity).

    Frankle & Carbin 2019, Fig. 1.
    """
    return replace(level.job, mask=context.mask("shuffle", level))


def scratch(level: Level, context: Context) -> Job:
    """The mask of IMP, shuffled within each layer, on a new draw of the initialiser, nothing of the ticket.

    At rewind 0 it equals `shuffle` in distribution.
    """
    return replace(level.job, start=context.weights("scratch", level), mask=context.mask("scratch", level))


def finetune(level: Level, context: Context) -> Job:
    """The mask of IMP, on the trained weights that it was scored on, the schedule's last rate held.

    Renda et al. 2020, section 2.
    """
    plan = level.job.plan
    held = replace(plan, lr=plan.rate(plan.total - 1), schedule="constant", milestones=(), gamma=1.0, warmup=0)
    return replace(level.job, start=_trained(level), plan=held)


def restart(level: Level, context: Context) -> Job:
    """The mask of IMP, on the trained weights that it was scored on, the schedule replayed.

    Learning-rate rewinding in full (Renda et al. 2020, section 2).
    """
    return replace(level.job, start=_trained(level))


def _trained(level: Level) -> State:
    assert level.source is not None, "controls run at levels >= 1"
    return level.source


ARMS: dict[str, Arm] = {arm.__name__: arm for arm in (ticket, reinit, shuffle, scratch, finetune, restart)}
RANDOM = ("reinit", "shuffle", "scratch")
"""The arms that are drawn; `draws` repeats them."""


def meaning(arm: str) -> str:
    """What `arm` is, in a line that begins in the middle of a sentence; empty for one that is not known."""
    first = (getattr(ARMS.get(arm), "__doc__", None) or "").split("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


@dataclass(frozen=True)
class Outcome:
    """One trained arm at one level: a row of the results."""

    level: Level
    arm: str
    draw: int
    job: Job
    trace: Trace


def check(arms: Sequence[str], arm_levels: Sequence[int] | None, levels: int, draws: int) -> None:
    """Raises SettingError for an unknown arm, a level that is not there, or no draws."""
    for arm in arms:
        if arm not in ARMS:
            raise SettingError("arms", arm, f"unknown; known: {', '.join(ARMS)}")
    for level in arm_levels or ():
        if not 1 <= level <= levels:
            raise SettingError("arm_levels", level, f"controls run at levels 1 to {levels}")
    if draws < 1:
        raise SettingError("draws", draws, "must be at least 1")


def each_level(arms: Sequence[str], draws: int) -> int:
    """How many trainings the controls among `arms` take at a level."""
    return sum(draws if arm in RANDOM else 1 for arm in arms if arm != "ticket")


def outcomes(
    levels: Iterable[Level],
    arms: Sequence[str],
    fit: Fit,
    initialize: Callable[[int], State],
    arm_levels: Sequence[int] | None = None,
    draws: int = 1,
) -> Iterator[Outcome]:
    """The ticket of each level, then its controls at `arm_levels` (None: all from 1), each drawn `draws` times."""
    for level in levels:
        told(level, "ticket", level.trace)
        yield Outcome(level, "ticket", 0, level.job, level.trace)
        if level.index == 0 or (arm_levels is not None and level.index not in arm_levels):
            continue
        for arm in (name for name in ARMS if name in arms and name != "ticket"):
            for draw in range(draws if arm in RANDOM else 1):
                job = ARMS[arm](level, Context(initialize, draw))
                trace = fit(job)
                told(level, arm, trace)
                yield Outcome(level, arm, draw, job, trace)


def told(level: Level, arm: str, trace: Trace) -> None:
    """Warns of a training that diverged."""
    if trace.status == "diverged":
        log.warning("level %d, %s diverged: %s", level.index, arm, trace.message)
