"""Metrics: how good a network is on a split, in which unit, and which way is better. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

from lth.core.errors import SettingError

Better = Literal["higher", "lower"]
SPLITS = ("train", "val", "test")
"""What a value's name begins with: the split that it is measured on, as in `val_loss`."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
SEPARATOR = "; "


@dataclass(frozen=True)
class Metric:
    """A number that says how good a network is on a split.

    name: a word of letters, digits and underscores. better: whether a higher or a lower value is. unit: as that of a
    column; a metric in `0..1` is shown in percent, and differences of it in points. meaning: for the documentation.

    >>> Metric("perplexity", "lower").on("test")
    'test_perplexity'
    """

    name: str
    better: Better = "higher"
    unit: str = ""
    meaning: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            problem = "is no name of a metric: up to 60 letters, digits and underscores, a letter first"
            raise SettingError("metric", self.name, problem)
        if self.better not in get_args(Better):
            raise SettingError(f"metric {self.name}: better", self.better, "must be higher or lower")
        if not isinstance(self.unit, str) or not self.unit.isprintable() or ";" in self.unit:
            raise SettingError(f"metric {self.name}: unit", self.unit, "must be printable text without semicolons")

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1: `sign` times a value is higher for the better network."""
        return 1 if self.better == "higher" else -1

    @property
    def is_share(self) -> bool:
        """Whether it lies in 0..1 and is shown in percent."""
        return self.unit == "0..1"

    @property
    def factor(self) -> float:
        """What a value is shown times: 100 for a share."""
        return 100.0 if self.is_share else 1.0

    @property
    def difference_unit(self) -> str:
        """The unit of a difference of two values, as it is shown: points of a share, else its own, else its name."""
        return "points" if self.is_share else self.unit or self.words

    @property
    def words(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    def on(self, split: str) -> str:
        """The name of its value on `split` (`train`, `val` or `test`)."""
        return f"{split}_{self.name}"

    @property
    def text(self) -> str:
        """Name, direction and unit in a cell of a table: `mse lower`."""
        return f"{self.name} {self.better} {self.unit}".strip()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The metric of a cell's `text`. Raises SettingError for another text."""
        name, better, unit = [*text.split(" ", 2), "", ""][:3]
        return cls(name, better, unit)  # type: ignore[arg-type]  # it checks the word


LOSS = Metric("loss", "lower", "", "the mean loss of the task; of classification the cross-entropy in nats")
OF_EXAMPLES = ("accuracy", "exact_match")
"""The metrics of lth's tasks that are a count of right examples over a count."""
ACCURACY = Metric("accuracy", "higher", "0..1", "the share of examples that are classified correctly")


@dataclass(frozen=True)
class Measures:
    """What is measured of the networks of a task, and what decides.

    task: its name. metrics: those besides the loss; the first is the one that tickets and controls are compared by, on
    the test set. decide: the value of the validation split that decides the early stop: `val_loss`, or of a metric.

    >>> Measures("regression", (Metric("mse", "lower"), Metric("r2")), "val_r2").decider.better
    'higher'
    """

    task: str = "classification"
    metrics: tuple[Metric, ...] = (ACCURACY,)
    decide: str = "val_loss"

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if not isinstance(self.task, str) or not names:
            raise SettingError("task", self.task, "needs a name, and a metric that networks are compared by")
        for name in names:
            if names.count(name) > 1 or name == "iteration":
                raise SettingError("metric", name, "is a name that is taken")
        if self.decide not in self.deciders:
            raise SettingError("task.decide", self.decide, f"must be one of {', '.join(self.deciders)}")

    @property
    def primary(self) -> Metric:
        """The metric that networks are compared by."""
        return self.metrics[0]

    @property
    def is_of_examples(self) -> bool:
        """Whether the first metric is a share of examples, of which it is known which are right."""
        return self.task in ("classification", "multilabel") and self.primary.name in OF_EXAMPLES

    @property
    def deciders(self) -> dict[str, Metric]:
        """Name of a value of the validation split -> its metric."""
        return {metric.on("val"): metric for metric in (LOSS, *self.metrics)}

    @property
    def decider(self) -> Metric:
        """The metric that decides the early stop."""
        return self.deciders[self.decide]

    @cached_property
    def by_value(self) -> dict[str, Metric]:
        """Name of a value, such as `test_accuracy` -> its metric."""
        return {metric.on(split): metric for metric in (LOSS, *self.metrics) for split in SPLITS}

    def cells(self) -> dict[str, Any]:
        """The cells of a row of results that say how its values compare; none for plain classification."""
        if self == CLASSIFICATION:
            return {}
        return {"task": self.task, "metrics": SEPARATOR.join(x.text for x in self.metrics), "decided_by": self.decide}

    def records(self) -> dict[str, Any]:
        """All of it as values that JSON can hold."""
        return {"task": self.task, "metrics": [vars(metric) for metric in self.metrics], "decide": self.decide}

    @classmethod
    def read(cls, records: Mapping[str, Any]) -> Self:
        """The measures with these `records()`. Raises TypeError, KeyError or ValueError for others."""
        try:
            metrics = tuple(Metric(**dict(metric)) for metric in records["metrics"])
            return cls(records["task"], metrics, records["decide"])
        except SettingError as error:
            raise ValueError(str(error)) from error


CLASSIFICATION = Measures()
CELLS = ("task", "metrics", "decided_by")
"""The columns of results that rows of plain classification do without."""


def is_measures(metrics: str, decided_by: str = "val_loss") -> bool:
    """Whether the cells of a row of results name metrics, and one that decides."""
    try:
        measures_of({"metrics": metrics, "decided_by": decided_by})
    except SettingError:
        return False
    return True


def measures_of(row: Mapping[str, Any]) -> Measures:
    """The measures of a row of results; those of classification where it names none. Raises SettingError for others.

    >>> measures_of({"metrics": "mse lower; r2 higher"}).primary.better
    'lower'
    """
    if not row.get("metrics"):
        return CLASSIFICATION
    metrics = tuple(Metric.parse(text) for text in str(row["metrics"]).split(SEPARATOR))
    return Measures(row.get("task") or "custom", metrics, row.get("decided_by") or CLASSIFICATION.decide)
