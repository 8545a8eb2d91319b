"""How to train: optimiser, learning rate schedule, batch size, length. Imports no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

from lth.core.checked import check
from lth.core.durations import Duration as Duration
from lth.core.durations import iterations_of as iterations_of
from lth.core.durations import parts_of
from lth.core.errors import SettingError
from lth.core.setting import setting

EXAMPLES = 1_000
"""Examples that a gradient norm is measured on, whatever the recipe."""
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "step", "cosine")
TESTS = ("ends", "improved", "always")
DECAYS = ("weights", "all")
KERNELS = ("auto", "dense", "sparse")
PRECISIONS = ("float32", "bfloat16")
MEMORY_FORMATS = ("auto", "contiguous", "channels_last")
SGD, ADAM, STEP = ("optimizer", ("sgd",)), ("optimizer", ("adam", "adamw")), ("schedule", ("step",))
"""The fields, and their values, with which others are read."""
HELD_SHARE = 0.01
"""The share of the recipe's rate that fine-tuning holds after a schedule that ends at zero. Renda et al. 2020 hold the
last rate of a step schedule, and on CIFAR-10 theirs is 1% of the first: 0.1 with two drops by a factor of 10."""


@dataclass
class Recipe:
    """How a network is trained. Durations are `500it`, `2ep`, `2ep50it`, or a number of iterations.

    `weight_decay` is torch's (L2 in sgd and adam, decoupled in adamw), on tensors of two or more dimensions
    (`decay=weights`) or on all parameters. `schedule`: `step` multiplies the rate by `gamma` at each of `milestones`,
    `cosine` ends at zero; each after a linear `warmup`. `test`: the test accuracy is measured of the early-stop and the
    final weights alone (`ends`), also wherever the validation loss improved on the way (`improved`), or at every
    evaluation (`always`); it never decides anything. `precision=bfloat16`: the forward and backward passes of training
    are in bfloat16 (torch's autocast); weights, gradients, optimiser, evaluation and probes stay in float32.
    `kernels`: whether products of pruned layers are sparse, see `lth.training.kernels`. `memory_format`: how batches of
    images lie in memory in training, see `lth.training.layout`. `compile`: the network is trained through
    torch.compile, with dense products. Raises SettingError for a value out of range.
    """

    iterations: Duration = setting(1600, "length of a training", low=1)
    batch_size: int = setting(60, "training examples in a batch", low=1, high=10**7)
    optimizer: str = setting("adam", "adam, adamw or sgd", options=OPTIMIZERS)
    lr: float = setting(1.2e-3, "learning rate", above=0, high=1000)
    momentum: float = setting(0.9, "optimizer=sgd: momentum", low=0, below=1, read_with=SGD)
    nesterov: bool = setting(False, "optimizer=sgd: Nesterov momentum", read_with=SGD)
    betas: list[float] = setting(
        [0.9, 0.999],
        "optimizer=adam, adamw: how much of each moment is kept at a step",
        low=0,
        below=1,
        doubles=True,
        read_with=ADAM,
        unhashed_at_default=True,
    )
    weight_decay: float = setting(0.0, "weight decay, which is decoupled in adamw", low=0, high=1000)
    decay: str = setting("weights", "what decays: weights (no biases, norms) or all", options=DECAYS)
    schedule: str = setting("constant", "learning rate: constant, step, cosine (to zero)", options=SCHEDULES)
    milestones: list[Duration] = setting([], "schedule=step: when the learning rate drops", low=1, read_with=STEP)
    gamma: float = setting(0.1, "schedule=step: factor of each drop", above=0, high=1, read_with=STEP)
    warmup: Duration = setting(0, "linear warm-up of the learning rate", low=0)
    evaluate_every: Duration = setting(100, "time between evaluations", low=1)
    test: str = setting(
        "ends",
        "test set: ends (early stop, final), improved (loss), always",
        options=TESTS,
        hashed_like={"ends": "improved"},  # both give the same rows of results, and older ones are of `improved`
    )
    precision: str = setting(
        "float32",
        "products in training: float32, bfloat16 (autocast)",
        options=PRECISIONS,
        unhashed_at_default=True,
    )
    kernels: str = setting(
        "auto",
        "products of pruned layers on the CPU: auto (the faster), dense, sparse",
        options=KERNELS,
        unhashed_at_default=True,
    )
    memory_format: str = setting(
        "auto",
        "images in training: auto (channels_last where faster on the CPU), contiguous, channels_last",
        options=MEMORY_FORMATS,
        unhashed_at_default=True,
    )
    compile: bool = setting(False, "torch.compile in training: slow to begin with", unhashed_at_default=True)

    def __post_init__(self) -> None:
        check(self, "recipe.", durations=False)
        if self.schedule == "step" and not self.milestones:
            raise SettingError("recipe.milestones", self.milestones, "schedule=step needs at least one milestone")
        if self.precision == "bfloat16" and self.kernels == "sparse":
            problem = "sparse products are in float32: leave recipe.kernels out, or set recipe.precision=float32"
            raise SettingError("recipe.precision", self.precision, problem)
        if self.compile and self.kernels == "sparse":
            problem = "sparse products are compiled by lth: leave recipe.kernels out, or set recipe.compile=false"
            raise SettingError("recipe.compile", self.compile, problem)
        if len(self.betas) != 2:
            listed = f"[{','.join(map(str, self.betas))}]"
            raise SettingError("recipe.betas", listed, "must be two numbers, as [0.9,0.999]")
        if self.nesterov and not self.momentum:
            raise SettingError("recipe.nesterov", self.nesterov, "needs a momentum above 0")
        if self.optimizer != "adam" and self.lr * self.weight_decay >= 1:
            problem = f"times the learning rate {self.lr} must be below 1: each step would turn every weight around"
            raise SettingError("recipe.weight_decay", self.weight_decay, problem)


OPEN = 2**53
"""The end of a training whose loop says itself how many steps it takes."""


@dataclass(frozen=True)
class Plan:
    """A recipe in iterations, for a training split of known size: from `start` to `stop` of a schedule of `total`.

    Two recipes with the same plan are the same training, however their durations are written.
    """

    start: int
    stop: int
    total: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    decay: str
    schedule: str
    milestones: tuple[int, ...]
    gamma: float
    warmup: int
    evaluate_every: int
    test: str
    kernels: str = "dense"
    precision: str = "float32"
    betas: tuple[float, float] = (0.9, 0.999)
    memory_format: str = "auto"
    compile: bool = False

    @property
    def open(self) -> bool:
        """Whether the loop that trains says where it ends."""
        return self.stop == OPEN

    def rate(self, iteration: int) -> float:
        """The learning rate of the step after `iteration` steps."""
        if iteration < self.warmup:
            return self.lr * (iteration + 1) / self.warmup
        if self.schedule == "step":
            return self.lr * self.gamma ** sum(iteration >= milestone for milestone in self.milestones)
        if self.schedule == "cosine":
            done = (iteration - self.warmup) / max(1, self.total - self.warmup)
            return self.lr * 0.5 * (1 + math.cos(math.pi * done))
        return self.lr

    def held(self, rate: float | None = None, length: int | None = None) -> "Plan":
        """The same with the constant learning rate `rate`, for `length` iterations from `start` on.

        rate: None is the last one of the schedule; a cosine schedule ends at zero, where nothing is tuned, and there it
        is `HELD_SHARE` of the recipe's rate. length: None is up to the end.
        """
        if rate is None:
            rate = HELD_SHARE * self.lr if self.schedule == "cosine" else self.rate(self.total - 1)
        constant = replace(self, lr=rate, schedule="constant", milestones=(), gamma=1.0, warmup=0)
        return constant if length is None else replace(constant, stop=self.start + length, total=self.start + length)

    def evaluates(self, iteration: int) -> bool:
        """Whether the network is evaluated after `iteration` steps: regularly, and at the start and the end."""
        return iteration % self.evaluate_every == 0 or iteration in (self.start, self.stop)


def plan(recipe: Recipe, examples: int, start: Duration = 0, stop: Duration | None = None) -> Plan:
    """`recipe` in iterations for `examples` training examples, from `start` to `stop` (None: the recipe's end).

    Raises SettingError for durations that are malformed or out of order, and for a batch larger than the split.

    >>> steps = plan(Recipe(iterations="2ep", batch_size=50, schedule="cosine"), examples=5000, start=20)
    >>> steps.start, steps.stop, steps.rate(100)
    (20, 200, 0.0006)
    """
    check(recipe, "recipe.")
    if recipe.batch_size > examples:
        problem = f"is more than the {examples} training examples"
        raise SettingError("recipe.batch_size", recipe.batch_size, problem)
    per_epoch = examples // recipe.batch_size

    def count(key: str, duration: Duration) -> int:
        return iterations_of(duration, per_epoch, key)

    total = count("recipe.iterations", recipe.iterations)
    first = count("rewind", start)
    last = total if stop is None else count("rewind", stop)
    warmup, every = count("recipe.warmup", recipe.warmup), count("recipe.evaluate_every", recipe.evaluate_every)
    sgd, step = recipe.optimizer == "sgd", recipe.schedule == "step"
    milestones = tuple(count("recipe.milestones", x) for x in recipe.milestones) if step else ()
    _check_order(recipe, first, last, total, warmup, every)
    _check_milestones(recipe, milestones, warmup, total)
    return Plan(
        start=first,
        stop=last,
        total=total,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizer,
        lr=recipe.lr,
        momentum=recipe.momentum if sgd else 0.0,
        nesterov=recipe.nesterov if sgd else False,
        weight_decay=recipe.weight_decay,
        decay=recipe.decay if recipe.weight_decay else "weights",
        schedule=recipe.schedule,
        milestones=milestones,
        gamma=recipe.gamma if step else 1.0,
        warmup=warmup,
        evaluate_every=every,
        test=recipe.test,
        kernels=recipe.kernels,
        precision=recipe.precision,
        betas=(0.9, 0.999) if sgd else (recipe.betas[0], recipe.betas[1]),
        memory_format=recipe.memory_format,
        compile=recipe.compile,
    )


def open_plan(start: Duration = 0) -> Plan:
    """The plan of a user's own loop, from iteration `start` to wherever it ends; all else is the loop's.

    Raises SettingError for a start that is no number of iterations.

    >>> open_plan("500it").start, open_plan().open
    (500, True)
    """
    epochs, first = parts_of(start, "rewind")
    if epochs:
        raise SettingError("rewind", start, "must be in steps, as 500: lth does not know the epochs of your own loop")
    names = {entry.name for entry in fields(Plan)} & {entry.name for entry in fields(Recipe)}
    settings = {name: getattr(Recipe(), name) for name in names}
    known = {"warmup": 0, "milestones": (), "evaluate_every": OPEN, "kernels": "dense"}
    return Plan(**(settings | known), start=first, stop=OPEN, total=OPEN)


def _check_order(recipe: Recipe, first: int, last: int, total: int, warmup: int, every: int) -> None:
    if total < 1 or every < 1:
        key = "iterations" if total < 1 else "evaluate_every"
        raise SettingError(f"recipe.{key}", getattr(recipe, key), "must be at least one iteration")
    if last > total or first >= last:
        end = total if last > total else last
        raise SettingError("rewind", max(first, last), f"is past the end of a training of {end} iterations")
    if warmup and warmup >= total:
        problem = f"must be shorter than the training of {total} iterations, whose rate it would be all along"
        raise SettingError("recipe.warmup", recipe.warmup, problem)


def _check_milestones(recipe: Recipe, milestones: Sequence[int], warmup: int, total: int) -> None:
    """Raises SettingError for milestones out of order, and for one at which the learning rate would not drop."""
    for before, after in pairwise((0, *milestones)):
        if before >= after:
            listed = f"[{','.join(map(str, recipe.milestones))}]"
            raise SettingError("recipe.milestones", listed, "must be in order, each once, from iteration 1 on")
    for milestone, duration in zip(milestones, recipe.milestones, strict=False):
        if milestone >= total:
            raise SettingError("recipe.milestones", duration, f"is past the end of a training of {total} iterations")
        if milestone < warmup:
            raise SettingError("recipe.milestones", duration, f"lies in the warm-up of {warmup} iterations")
