"""The one door from Hydra: the configuration of each experiment as checked dataclasses. Imports no torch."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from lth.core.errors import SettingError
from lth.pruning.granularity import blocks
from lth.pruning.methods import check_methods, pruning_of
from lth.pruning.schedule import Pruning
from lth.settings import MACHINE, Machine, RewiringSpec, Training
from lth.training.recipe import Duration


@dataclass
class Levels(Training):
    """What is asked of an experiment that prunes level by level: how, how deep, from where, against which arms."""

    pruning: Pruning = field(default_factory=Pruning)
    levels: int = 12
    rewind: Duration = 0
    arms: list[str] = field(default_factory=lambda: ["ticket"])
    arm_levels: Any = "all"
    draws: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels < 0:
            raise SettingError("levels", self.levels, "must be at least 0")
        if self.arm_levels != "all" and not (
            isinstance(self.arm_levels, list) and all(isinstance(level, int) for level in self.arm_levels)
        ):
            raise SettingError("arm_levels", self.arm_levels, "must be all or a list of levels such as [3,7,12]")

    @property
    def controls(self) -> list[int] | None:
        """The levels that controls run at; None for all from 1."""
        return None if self.arm_levels == "all" else sorted(set(self.arm_levels))

    @property
    def arms_asked(self) -> list[str]:
        """The arms of this replicate."""
        return self.arms

    def setting(self) -> str:
        """A hash of all that gives a row its meaning, without seeds: reports never average across it.

        Left out too is what only says how many rows there are (levels, arms, arm_levels, draws), how much is looked at
        (probes, line_examples), and the machine.
        """
        keys = ["experiment", "data", "model", "recipe", "pruning", "rewind"]
        if self.rewiring != RewiringSpec():  # as by default it is not named: so the hashes of older results stay
            keys.append("rewiring")
        return self.hash_of(keys)


@dataclass
class Spec(Levels):
    """One replicate of `lth imp`: everything that a job is asked to do."""

    experiment: str = "imp"
    one_shot_arms: list[str] | None = None
    probes: list[str] = field(default_factory=list)

    @property
    def arms_asked(self) -> list[str]:
        """The arms of this schedule: `one_shot_arms` where it is one shot and they are given, else `arms`."""
        one_shot = self.pruning.schedule == "one_shot"
        return self.one_shot_arms if one_shot and self.one_shot_arms is not None else self.arms

    @property
    def unnamed(self) -> Sequence[str]:
        """Without probes nothing of them is in the name: so the names of older replicates stay."""
        return MACHINE if self.probes else (*MACHINE, "probes", "line_examples")


@dataclass
class AtInitSpec(Levels):
    """One replicate of `lth at_init`: several methods to find a mask, on one network, data and recipe."""

    experiment: str = "at_init"
    methods: list[str] = field(default_factory=lambda: ["imp", "magnitude_after", "snip"])

    def __post_init__(self) -> None:
        super().__post_init__()
        check_methods(self.methods, self.pruning)

    def of(self, method: str) -> "AtInitSpec":
        """The same, of one method alone: its setting is that of the method's rows.

        A mask that was found at initialisation is trained from there: `rewind` is of the others.
        """
        found = copy.copy(self)
        found.methods, found.pruning = [method], pruning_of(method, self.pruning)
        found.rewind = self.rewind if found.pruning.score_at == "trained" else 0
        return found

    @property
    def unnamed(self) -> Sequence[str]:
        """No lines between networks are seen here."""
        return (*MACHINE, "line_examples")


@dataclass
class GradualSpec:
    """Gradual magnitude pruning in one training: from `begin` to `end`, every so many iterations, to `density`."""

    density: float = 0.05
    begin: Duration = 3000
    end: Duration = 7000
    every: Duration = 100


@dataclass
class GradientFlowSpec(Training):
    """One replicate of `lth gradient_flow`: one pruned solution, and every other way to train its sparse network."""

    experiment: str = "gradient_flow"
    gradual: GradualSpec = field(default_factory=GradualSpec)
    inits: list[str] = field(default_factory=lambda: ["lottery", "scratch"])
    methods: list[str] = field(default_factory=list)
    repeats: int = 5
    change_at: Duration | None = None
    spectrum_examples: int = 1000
    worker: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, least in (("repeats", 1), ("worker", 0), ("spectrum_examples", 1)):
            if getattr(self, key) < least:
                raise SettingError(key, getattr(self, key), f"must be at least {least}")

    def setting(self) -> str:
        """A hash of all that gives a row its meaning, without seeds and what only says how many rows there are."""
        return self.hash_of(["experiment", "data", "model", "recipe", "gradual", "rewiring"])

    @property
    def unnamed(self) -> Sequence[str]:
        """Every worker of one replicate has the same name."""
        return (*MACHINE, "worker")


@dataclass
class ChannelsSpec:
    """Tickets of whole output channels: `fraction` of those that are left goes at each of `levels`; 0 levels: none."""

    fraction: float = 0.3
    levels: int = 4


@dataclass
class DeploySpec(Training):
    """One replicate of `lth deploy`: tickets of several kinds, each in every form that it can be kept and run in."""

    experiment: str = "deploy"
    pruning: Pruning = field(default_factory=Pruning)
    levels: int = 6
    channels: ChannelsSpec = field(default_factory=ChannelsSpec)
    blocks: list[str] = field(default_factory=lambda: ["2:4"])
    rewind: Duration = 0
    bits: list[int] = field(default_factory=lambda: [8, 4, 2])
    rounds: int = 25
    onnx: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value, least in (
            ("levels", self.levels, 0),
            ("channels.levels", self.channels.levels, 0),
            ("rounds", self.rounds, 3),
        ):
            if value < least:
                raise SettingError(key, value, f"must be at least {least}")
        for shape in self.blocks:
            if blocks(shape) is None:
                raise SettingError("blocks", shape, "must be N:M in quotes, as in blocks=['2:4']")
        if bad := [width for width in self.bits if not 2 <= width <= 8]:
            raise SettingError("bits", bad[0], "must be a whole number from 2 to 8")

    @property
    def kinds(self) -> dict[str, tuple[Pruning, int]]:
        """The kinds of ticket that are asked for, by name: how they are pruned, and how many levels they have.

        Raises SettingError where there is none, or `pruning` itself asks for another shape than single weights.
        """
        if self.pruning.granularity != "weight":
            problem = "must be weight here: channels and blocks have keys of their own, channels.levels and blocks"
            raise SettingError("pruning.granularity", self.pruning.granularity, problem)
        alone: dict[str, Any] = {"scope": "layerwise", "groups": None, "layer_densities": "uniform", "fractions": {}}
        output = replace(self.pruning, granularity="output", fraction=self.channels.fraction, **alone)
        found = {"weights": (self.pruning, self.levels), "channels": (output, self.channels.levels)}
        found |= {shape: (replace(self.pruning, granularity=shape, **alone), 1) for shape in self.blocks}
        kinds = {kind: asked for kind, asked in found.items() if asked[1]}
        if not kinds:
            raise SettingError("levels", 0, "leaves no ticket: there are no channels.levels and no blocks either")
        return kinds

    def setting(self) -> str:
        """A hash of all that gives a row its meaning, without seeds and what only says how many rows there are.

        Each kind has its own: that of this specification with the kind's `pruning`.
        """
        return self.hash_of(["experiment", "data", "model", "recipe", "pruning", "rewind"])


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


def register() -> None:
    """Puts the schemas where Hydra finds them, so that keys, names and types are checked before a job starts."""
    schemas = {"imp": Spec, "at_init": AtInitSpec, "gradient_flow": GradientFlowSpec, "deploy": DeploySpec}
    for name, node in (schemas | {"speed": SpeedSpec}).items():
        ConfigStore.instance().store(name=f"schema_{name}", node=node)


def read(config: DictConfig) -> Any:
    """The dataclass that `config` was checked against, made and checked by value; SettingError for a bad one."""
    return OmegaConf.to_object(config)
