"""The one door from Hydra: the configuration of an experiment as checked dataclasses. Imports no torch."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning
from lth.training.recipe import Duration, Recipe

WANDB_MODES = ("auto", "online", "offline", "disabled")


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
    """Which network, and how it is initialised; `widths` are for model=mlp, `_target_` and `args` for model=own."""

    name: str = MISSING
    initializer: str = "glorot_normal"
    widths: list[int] | None = None
    _target_: str | None = None
    args: dict[str, Any] = field(default_factory=dict)


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
class Spec(Machine):
    """One replicate of `lth imp`: everything that a job is asked to do."""

    experiment: str = "imp"
    data: DataSpec = field(default_factory=DataSpec)
    model: ModelSpec = field(default_factory=ModelSpec)
    recipe: Recipe = field(default_factory=Recipe)
    pruning: Pruning = field(default_factory=Pruning)
    levels: int = 12
    rewind: Duration = 0
    arms: list[str] = field(default_factory=lambda: ["ticket"])
    arm_levels: Any = "all"
    one_shot_arms: list[str] | None = None
    draws: int = 1
    probe_every: Duration = 500
    rewiring: RewiringSpec = field(default_factory=RewiringSpec)
    seed: int = 0
    seeds: SeedsSpec = field(default_factory=SeedsSpec)
    scale: str = "quick"
    paper: str | None = None

    def __post_init__(self) -> None:
        if self.levels < 0:
            raise SettingError("levels", self.levels, "must be at least 0")
        if self.threads < 1:
            raise SettingError("threads", self.threads, "must be at least 1")
        if self.arm_levels != "all" and not (
            isinstance(self.arm_levels, list) and all(isinstance(level, int) for level in self.arm_levels)
        ):
            raise SettingError("arm_levels", self.arm_levels, "must be all or a list of levels such as [3,7,12]")
        if self.data.name == "own" and not self.data._target_:
            problem = "needs data._target_=my_module.my_function, or data.name=NAME of a prepared NAME.safetensors"
            raise SettingError("data", "own", problem)
        if self.model.name == "own" and not self.model._target_:
            raise SettingError("model", "own", "needs model._target_=my_module.MyNetwork")
        if self.model._target_ and self.model.name != "own":
            raise SettingError("model._target_", self.model._target_, f"is for model=own, not {self.model.name}")

    @property
    def arms_asked(self) -> list[str]:
        """The arms of this schedule: `one_shot_arms` where it is one shot and they are given, else `arms`."""
        one_shot = self.pruning.schedule == "one_shot"
        return self.one_shot_arms if one_shot and self.one_shot_arms is not None else self.arms

    @property
    def controls(self) -> list[int] | None:
        """The levels that controls run at; None for all from 1."""
        return None if self.arm_levels == "all" else sorted(set(self.arm_levels))

    def about(self) -> dict[str, Any]:
        """The columns of the results that name the experiment."""
        return {
            "experiment": self.experiment,
            "setting": self.setting(),
            "data": self.data.name,
            "model": self.model.name if not self.model._target_ else self.model._target_,
            "seed": self.seed,
            "schedule": self.pruning.schedule,
        }

    def setting(self) -> str:
        """A hash of all that gives a row its meaning, without seeds: reports never average across it.

        Left out too is what only says how many rows there are (levels, arms, arm_levels, draws) and the machine.
        """
        keys = ["experiment", "data", "model", "recipe", "pruning", "rewind"]
        if self.rewiring != RewiringSpec():  # as by default it is not named: so the hashes of older results stay
            keys.append("rewiring")
        asked = {key: asdict(self)[key] for key in keys}
        del asked["data"]["root"]
        return _hash(asked, 10)

    def replicate(self) -> str:
        """A hash of this replicate, seeds, levels and arms too: the stable name of its W&B run."""
        asked = asdict(self)
        for key in ("device", "threads", "outputs", "store", "wandb"):
            del asked[key]
        del asked["data"]["root"]
        return _hash(asked, 12)


@dataclass
class RootSpec:
    """Where the prepared data lie."""

    root: str | None = None


@dataclass
class SpeedSpec(Machine):
    """`lth speed`: `blocks` of `iterations` each, and evaluation's share of a training of `level_iterations`."""

    experiment: str = "speed"
    device: str = "cpu"
    blocks: int = 20
    iterations: int = 100
    level_iterations: int = 1000
    data: RootSpec = field(default_factory=RootSpec)
    seed: int = 0
    scale: str = "quick"

    def __post_init__(self) -> None:
        for key in ("threads", "blocks", "iterations", "level_iterations"):
            if getattr(self, key) < 1:
                raise SettingError(key, getattr(self, key), "must be at least 1")
        if self.device != "cpu":
            raise SettingError("device", self.device, "must be cpu: that is what is measured")


def _hash(value: Any, digits: int) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:digits]


def register() -> None:
    """Puts the schemas where Hydra finds them, so that keys, names and types are checked before a job starts."""
    ConfigStore.instance().store(name="schema_imp", node=Spec)
    ConfigStore.instance().store(name="schema_speed", node=SpeedSpec)


def read(config: DictConfig) -> Any:
    """The dataclass that `config` was checked against, made and checked by value; SettingError for a bad one."""
    return OmegaConf.to_object(config)
