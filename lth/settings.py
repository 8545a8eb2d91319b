"""The settings that experiments share, as checked dataclasses. Imports no torch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from lth.core.errors import SettingError
from lth.training.recipe import Duration, Recipe

WANDB_MODES = ("auto", "online", "offline", "disabled")
MACHINE = ("device", "threads", "outputs", "store", "wandb")
"""The keys that say where something runs and is written, and nothing of what it gives."""


@dataclass
class DataSpec:
    """Which data, and how they are split and normalised; `_target_` and `args` are for data=own."""

    name: str = MISSING
    root: str | None = None
    validation: int = 0
    normalize: str = "standard"
    augment: str = "none"
    _target_: str | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class ModelSpec:
    """Which network, and how it is initialised; `widths` are for model=mlp, `_target_` and `args` for model=own.

    plus_initializer: of the arms `*_plus`, whose draws are scaled to the mask.
    """

    LATER: ClassVar = ("plus_initializer",)

    name: str = MISSING
    initializer: str = "glorot_normal"
    widths: list[int] | None = None
    _target_: str | None = None
    args: dict[str, Any] = field(default_factory=dict)
    plus_initializer: str = "sparsity_aware"


@dataclass
class SeedsSpec:
    """Seeds that differ from `seed`; `split` stays 0 unless it is given."""

    init: int | None = None
    order: int | None = None
    augment: int | None = None
    mask: int | None = None
    split: int = 0


@dataclass
class RewiringSpec:
    """How the masks of the arms `set` and `rigl` change: every so many iterations, up to `stop`, by a share `drop`."""

    drop: float = 0.3
    every: Duration = 100
    stop: Duration | None = None


@dataclass
class StoreSpec:
    """A killed training loses at most `checkpoint_seconds`."""

    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not self.checkpoint_seconds >= 0:
            raise SettingError("store.checkpoint_seconds", self.checkpoint_seconds, "must be at least 0")


@dataclass
class WandbSpec:
    """`mode`: online, offline or disabled; `auto` is online where a key is found, else offline."""

    mode: str = "auto"
    project: str = "lth"
    entity: str | None = None
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mode not in WANDB_MODES:
            raise SettingError("wandb.mode", self.mode, f"must be one of {', '.join(WANDB_MODES)}")


@dataclass
class Machine:
    """Where an experiment runs and writes: in no question, since only the last bits depend on device and threads."""

    device: str = "auto"
    threads: int = 1
    outputs: str = "outputs"
    store: StoreSpec = field(default_factory=StoreSpec)
    wandb: WandbSpec = field(default_factory=WandbSpec)


@dataclass
class Training(Machine):
    """What every experiment that trains is asked: on what, which network, how, by which seeds."""

    experiment: str = MISSING
    data: DataSpec = field(default_factory=DataSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    recipe: Recipe = field(default_factory=Recipe)
    probe_every: Duration = 500
    rewiring: RewiringSpec = field(default_factory=RewiringSpec)
    line_examples: int | None = None
    seed: int = 0
    seeds: SeedsSpec = field(default_factory=SeedsSpec)
    scale: str = "quick"
    paper: str | None = None

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise SettingError("threads", self.threads, "must be at least 1")
        if self.line_examples is not None and self.line_examples < 1:
            raise SettingError("line_examples", self.line_examples, "must be at least 1, or null for all")
        if self.data.name == "own" and not self.data._target_:
            problem = "needs data._target_=my_module.my_function, or data.name=NAME of a prepared NAME.safetensors"
            raise SettingError("data", "own", problem)
        if self.model.name == "own" and not self.model._target_:
            raise SettingError("model", "own", "needs model._target_=my_module.MyNetwork")
        if self.model._target_ and self.model.name != "own":
            raise SettingError("model._target_", self.model._target_, f"is for model=own, not {self.model.name}")

    def setting(self) -> str:
        """A hash of all that gives a row its meaning, without seeds: reports never average across it."""
        raise NotImplementedError

    def about(self, schedule: str) -> dict[str, Any]:
        """The columns of the results that name the experiment; `schedule` is how its masks come about."""
        return {
            "experiment": self.experiment,
            "setting": self.setting(),
            "data": self.data.name,
            "model": self.model.name if not self.model._target_ else self.model._target_,
            "seed": self.seed,
            "schedule": schedule,
        }

    @property
    def unnamed(self) -> Sequence[str]:
        """The keys that are not in the name of a replicate."""
        return MACHINE

    def replicate(self) -> str:
        """A hash of this replicate, seeds and extent too: the stable name of its W&B run."""
        return self.hash_of([key for key in vars(self) if key not in self.unnamed], 12)

    def hash_of(self, keys: Sequence[str], digits: int = 10) -> str:
        """A hash of the values of `keys`; where the prepared data lie is in none."""
        whole = asdict(self)
        asked = {key: _without_later(getattr(self, key), whole[key]) for key in keys}
        del asked["data"]["root"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:digits]


def _without_later(settings: Any, values: Any) -> Any:
    """`values` of `settings` less those of its fields `LATER` that are as by default: so older hashes stay."""
    later, default = getattr(settings, "LATER", ()), type(settings)() if hasattr(settings, "LATER") else None
    as_before = {key for key in later if getattr(settings, key) == getattr(default, key)}
    names = getattr(settings, "HASHED_AS", {})
    if not as_before and not names:
        return values
    return {names.get(key, key): value for key, value in values.items() if key not in as_before}
