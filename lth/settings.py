"""The settings that experiments share, as checked dataclasses, and the one rule for their hashes. Imports no torch."""

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from lth.core.checked import UNSET, check, value_of
from lth.core.errors import SettingError
from lth.core.seeds import LARGEST, Seeds
from lth.core.setting import Hash, Marks, default_of, marks_of, setting
from lth.lottery.iterate import WAYS
from lth.lottery.names import check_levels
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.report.criteria import Criteria
from lth.training.recipe import Duration, Recipe

WANDB_MODES = ("auto", "online", "offline", "disabled")
UNNAMEABLE = "/\\#?%:"
"""What the name of a W&B project or entity cannot hold."""
NOISES = ("symmetric", "asymmetric", "pair")
MODULAR = ("name", ("modular",))
TEXT = ("name", ("text",))
TRANSFORMER = ("name", ("transformer",))
TASKS = ("auto", "classification", "multilabel", "regression", "language", "custom")
CLASSES = ("name", ("auto", "classification"))
"""What settings of classification are read with."""
NO_DATA = "none"
"""The name of no data set: a loop of the user's brings its own."""
ARM_LEVELS = Marks("levels of controls, or all", low=1, high=1000, empty=False)


@dataclass
class DataSettings:
    """The data set, its split and its normalisation."""

    name: str = setting(UNSET, "a built-in data set, or NAME.safetensors in root")
    root: str | None = setting(None, "folder of data; null: $LTH_DATA, else a cache", unhashed=True)
    validation: int = setting(0, "training examples held out for validation", low=0, high=10**9)
    normalize: str = setting("standard", "standard (mean 0, std 1), unit (0 to 1), none")
    augment: str = setting("none", "none, flip_crop (random flips and crops)")
    _target_: str | None = setting(None, "data=custom: a function, as my_module.my_data")
    args: dict[str, Any] = setting({}, "data=custom: its arguments: data.args.size=100")
    label_noise: float = setting(0.0, "share of wrong labels in training", low=0, high=1, unhashed_at_default=True)
    label_noise_kind: str = setting(
        "symmetric", "symmetric, asymmetric (mnist, cifar10), pair", options=NOISES, unhashed_without="label_noise"
    )
    path: str | None = setting(None, "data=text: a text file in UTF-8", unhashed=True, read_with=TEXT)
    context: int = setting(
        64, "data=text: characters of a window", low=2, high=10**5, read_with=TEXT, unhashed_at_default=True
    )
    p: int = setting(67, "data=modular: the modulus", low=2, high=2000, read_with=MODULAR, unhashed_at_default=True)
    train_fraction: float = setting(
        0.4, "data=modular: share of pairs to train on", above=0, below=1, read_with=MODULAR, unhashed_at_default=True
    )
    symmetric: bool = setting(
        True, "data=modular: a+b and b+a are one pair", read_with=MODULAR, unhashed_at_default=True
    )


@dataclass
class TaskSettings:
    """What is learnt: the loss, the metrics, and what decides the early stop."""

    name: str = setting("auto", "auto: as the data say, else classification", options=TASKS)
    decide: str = setting("val_loss", "decides the early stop: val_loss, or a metric: val_r2")
    label_smoothing: float = setting(
        0.0, "share of a target spread over all classes", low=0, below=1, read_with=CLASSES
    )
    class_weights: list[float] | None = setting(
        None, "a weight for each class in the loss", low=0, high=10**6, doubles=True, read_with=CLASSES
    )
    _target_: str | None = setting(None, "task=custom: the loss, as my_module.my_loss")
    args: dict[str, Any] = setting({}, "task=custom: its arguments: task.args.delta=0.1")
    metrics: str | None = setting(None, "task=custom: a function, as my_module.my_metrics")
    better: dict[str, str] = setting({}, "task=custom: task.better.mae=lower; the first is compared")

    def __post_init__(self) -> None:
        if self.name == "custom":
            for key, example in (("_target_", "my_module.my_loss"), ("metrics", "my_module.my_metrics")):
                if not getattr(self, key):
                    raise SettingError("task", "custom", f"needs task.{key}={example}")
            if not self.better:
                raise SettingError(
                    "task", "custom", "needs task.better.METRIC=lower, or higher: which way each metric is better"
                )
        for key in ("_target_", "args", "metrics", "better"):
            if getattr(self, key) and self.name != "custom":
                raise SettingError(f"task.{key}", getattr(self, key), f"is for task=custom, not {self.name}")


@dataclass
class ModelSettings:
    """The network and its initialisation."""

    name: str = setting(UNSET, "")
    initializer: str = setting("glorot_normal", "glorot_normal, glorot_uniform, kaiming_normal, ...")
    widths: list[int] | None = setting(None, "model=mlp: units of each hidden layer", low=1, high=10**5, doubles=True)
    _target_: str | None = setting(None, "model=custom: a class, as my_module.MyNetwork")
    args: dict[str, Any] = setting({}, "model=custom: its arguments: model.args.width=8")
    plus_initializer: str = setting(
        "sparsity_aware",
        "initializer of the arms *_plus",
        unhashed_at_default=True,
    )
    width: float = setting(
        1.0,
        "resnet20, vgg11, vgg16: factor of the channels; transformer, modular_mlp: units",
        above=0,
        high=10**5,
        read_with=("name", ("resnet20", "vgg11", "vgg16", "transformer", "modular_mlp")),
        unhashed_at_default=True,
    )
    depth: int = setting(
        2, "model=transformer: blocks", low=1, high=1000, read_with=TRANSFORMER, unhashed_at_default=True
    )
    heads: int = setting(
        4, "model=transformer: heads of attention", low=1, high=1000, read_with=TRANSFORMER, unhashed_at_default=True
    )
    embedding: int = setting(
        500,
        "model=modular_mlp: units of the embedding",
        low=1,
        high=10**5,
        read_with=("name", ("modular_mlp",)),
        unhashed_at_default=True,
    )


@dataclass
class LoopSettings:
    """The training loop, and how the metrics of your own are read."""

    name: str = setting("lth", "lth (as recipe says), or custom: your own", options=("lth", "custom"))
    _target_: str | None = setting(None, "loop=custom: a function, as my_module.my_fit")
    args: dict[str, Any] = setting({}, "loop=custom: its arguments: loop.args.steps=5000")
    version: str | None = setting(None, "loop=custom: a word for what its code does not show")
    decide: str | None = setting(None, "loop=custom: the logged value that decides the early stop, as val_loss")
    better: dict[str, str] = setting({}, "loop=custom: higher or lower: loop.better.bleu=higher")
    check: bool = setting(False, "loop=custom: train level 0 twice, once resumed, and compare the bits", unhashed=True)

    def __post_init__(self) -> None:
        if self.name == "custom" and not self._target_:
            raise SettingError("loop", "custom", "needs loop._target_=my_module.my_fit")
        for key in ("_target_", "args", "version", "decide", "better", "check"):
            if self.name == "lth" and (value := getattr(self, key)):
                raise SettingError(f"loop.{key}", value, "is for loop=custom, not lth")


@dataclass
class StoreSettings:
    """The store of trainings, in <outputs>/store."""

    checkpoint_seconds: float = setting(60.0, "seconds of training lost when a job is killed", low=0, high=10**9)
    lock_seconds: float | None = setting(
        None, "longest wait for another job's training; null: no end", low=0, high=10**9
    )


@dataclass
class WandbSettings:
    """Weights & Biases."""

    mode: str = setting("auto", "online, offline, disabled; auto: as a key allows", options=WANDB_MODES)
    project: str | None = setting(None, "project; null: $WANDB_PROJECT, else lth")
    entity: str | None = setting(None, "user or team; null: $WANDB_ENTITY, or default")
    tags: list[str] = setting([], "tags of the runs")

    def __post_init__(self) -> None:
        for key, name in (("project", self.project), ("entity", self.entity)):
            if name and (len(name) > 128 or not name.isprintable() or set(name) & set(UNNAMEABLE)):
                problem = f"W&B takes up to 128 printable characters, none of {UNNAMEABLE}"
                raise SettingError(f"wandb.{key}", name, problem)
        for tag in self.tags:
            if not 1 <= len(tag) <= 64 or not tag.isprintable():
                raise SettingError("wandb.tags", tag, "W&B takes tags of 1 to 64 printable characters")


@dataclass
class MachineSettings:
    """Where an experiment runs and writes. In no hash, but threads above one are a part of a row's setting."""

    experiment: str = setting(UNSET, "")
    device: str = setting("auto", "cpu, cuda, cuda:1, mps; auto: a GPU if any", unhashed=True)
    threads: int = setting(
        1, "CPU threads of each job", unhashed=True, low=1, high=1024
    )  # `TrainingSettings.setting` adds it
    outputs: str = setting("outputs", "folder of results, store and W&B files", unhashed=True)
    store: StoreSettings = setting(StoreSettings, "the store of trainings", unhashed=True)
    wandb: WandbSettings = setting(WandbSettings, "Weights & Biases", unhashed=True)

    def __post_init__(self) -> None:
        check(self)


@dataclass
class TrainingSettings(MachineSettings):
    """What every experiment that trains is given: data, model, recipe and seeds."""

    data: DataSettings = setting(DataSettings, "the data set")
    task: TaskSettings = setting(TaskSettings, "what is learnt", unhashed_at_default=True)
    model: ModelSettings = setting(ModelSettings, "the network")
    recipe: Recipe = setting(Recipe, "how networks are trained")
    probe_every: Duration = setting(500, "time between gradient norms; 0: start and end", unhashed="setting", low=0)
    seed: int = setting(0, "seed of the replicate, of all that is random", unhashed="setting", low=0, high=LARGEST)
    seeds: Seeds = setting(Seeds, "seeds that differ from seed", unhashed="setting")
    report: Criteria = setting(Criteria, "what verdicts call matching and fast", unhashed=True)
    scale: str = setting("quick", "", unhashed="setting")
    paper: str | None = setting(None, "", unhashed="setting")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task.name == "classification" and not self.data._target_:  # as the data say: the same to all hashes
            self.task = replace(self.task, name="auto")
        if self.data.name == "custom" and not self.data._target_:
            problem = "needs data._target_=my_module.my_function, or data.name=NAME of a prepared NAME.safetensors"
            raise SettingError("data", "custom", problem)
        if self.model.name == "custom" and not self.model._target_:
            raise SettingError("model", "custom", "needs model._target_=my_module.MyNetwork")
        if self.data.name == NO_DATA and not self.brings_data:
            raise SettingError("data", NO_DATA, "is for loop=custom, which brings its own: lth's loop needs data")
        if self.data.name == NO_DATA and not self.model._target_:
            problem = "takes its inputs and classes from data: give them, or a model of your own, model=custom"
            raise SettingError("model", self.model.name, problem)
        for group, settings in (("data", self.data), ("model", self.model)):
            if settings.args and not settings._target_:
                problem = f"is for {group}=custom with {group}._target_; {group}={settings.name} takes no arguments"
                raise SettingError(f"{group}.args", dict(settings.args), problem)
        if self.model._target_ and self.model.name != "custom":
            raise SettingError("model._target_", self.model._target_, f"is for model=custom, not {self.model.name}")

    @property
    def brings_data(self) -> bool:
        """Whether a loop of the user's brings data of its own."""
        return False

    def setting(self, data: str = "", architecture: str = "") -> str:
        """A hash of all that gives a result its meaning, without seeds: reports never average across it.

        data: a hash of what the data hold, wherever they lie; without it their folder stands for them. architecture: a
        hash of the network and the user's code in it. `Session.setting` knows both; rows of results have no other.
        """
        threads = str(self.threads) if self.threads > 1 else ""
        known = {"data": data or self.data.root, "architecture": architecture, "threads": threads}
        base, further = hash_of(self, "setting", 10), {key: value for key, value in known.items() if value}
        return _hash([base, further], 10) if further else base

    def replicate(self) -> str:
        """A hash of all that is to be run, seeds included: the stable name of its W&B run."""
        return hash_of(self, "replicate", 12)

    def about(self, schedule: str) -> dict[str, Any]:
        """The columns of the results that name the experiment, without `setting`; schedule: how masks come about."""
        return {
            "experiment": self.experiment,
            "data": self.data.name,
            "model": self.model.name if not self.model._target_ else self.model._target_,
            "seed": self.seed,
            "schedule": schedule,
        }


@dataclass
class LevelSettings(TrainingSettings):
    """What experiments share that prune level by level: how, how deep, from where, against which arms."""

    pruning: Pruning = setting(Pruning, "how weights are pruned")
    levels: int = setting(13, "number of prunings; level 0 is dense", unhashed="setting", low=0, high=1000)
    rewind: Duration = setting(0, "time to rewind to; 0: initialisation", low=0)
    arms: list[str] = setting(
        ["ticket"],
        "what is trained at each level: the ticket and its controls, or my_module:my_arm",
        unhashed="setting",
        empty=False,
    )
    arm_levels: Any = setting("all", "levels of controls and one-shot tickets, or all", unhashed="setting")
    draws: int = setting(1, "repeats of the arms that are random", unhashed="setting", low=1, high=1000)
    rewiring: Rewiring = setting(
        Rewiring, "how the arms set and rigl change their masks", unhashed_at_default="setting"
    )
    iterate: str = setting(
        "weights",
        "what levels rewind: weights (and schedule), lr (the schedule alone), finetune (neither)",
        options=WAYS,
        unhashed_at_default=True,
    )
    finetune_length: Duration | None = setting(
        None,
        "iterate=finetune: length of each level; null: from the rewind point to the end",
        low=1,
        unhashed_without="iterate",
        unhashed_at_default=True,
    )
    finetune_lr: float | None = setting(
        None,
        "rate that finetune holds, the arm and the way; null: the last, of a cosine 1%",
        unhashed_at_default=True,
        above=0,
        high=1000,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arm_levels != "all":
            if not isinstance(self.arm_levels, (list, tuple)):
                raise SettingError("arm_levels", self.arm_levels, "must be all or a list of levels such as [3,7,12]")
            self.arm_levels = value_of(list[int], ARM_LEVELS, "arm_levels", self.arm_levels)
            check_levels(self.arm_levels, self.levels)

    @property
    def control_levels(self) -> list[int] | None:
        """The levels that controls are trained at; None for all from 1."""
        return None if self.arm_levels == "all" else sorted(set(self.arm_levels))

    def about(self, schedule: str) -> dict[str, Any]:
        """The columns of the results that name the experiment, and what levels rewind."""
        return super().about(schedule) | {"iterate": self.iterate}

    @property
    def scheduled_arms(self) -> list[str]:
        """The arms of this replicate, given how its masks come about."""
        return self.arms


def hash_of(settings: Any, name: Hash, digits: int) -> str:
    """The first hex `digits` of the hash `name` of a settings dataclass, as the marks of its fields define it."""
    return _hash(_hashed(settings, name), digits)


def _hash(values: Any, digits: int) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:digits]


def _hashed(settings: Any, name: Hash) -> dict[str, Any]:
    """The values that the hash `name` is taken of, by the names that it knows them by."""
    at_default = {entry.name: getattr(settings, entry.name) == default_of(entry) for entry in fields(settings)}
    hashed = {}
    for entry in fields(settings):
        marks, value = marks_of(entry), getattr(settings, entry.name)
        without = marks.unhashed_without is not None and at_default[marks.unhashed_without]
        if not without and not marks.leave_out(name, value, at_default[entry.name]):
            alike = marks.hashed_like.get(value, value) if marks.hashed_like else value
            hashed[marks.hashed_as or entry.name] = _hashed(value, name) if is_dataclass(value) else alike
    return hashed
