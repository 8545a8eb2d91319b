"""The tasks by name."""

from lth.core.errors import SettingError
from lth.tasks.classification import Classification
from lth.tasks.language import Language
from lth.tasks.multilabel import Multilabel
from lth.tasks.regression import Regression
from lth.tasks.task import Task

TASKS = {
    "classification": Classification,
    "multilabel": Multilabel,
    "regression": Regression,
    "language": Language,
}
"""Name -> the class of a task that is made of settings alone."""


def task_named(name: str, decide: str = "val_loss", key: str = "task") -> Task:
    """The task called `name`; SettingError naming `key` where there is none, and for nothing that could `decide`."""
    if name not in TASKS:
        raise SettingError(key, name, f"unknown; known: {', '.join(TASKS)}, custom")
    task: Task = TASKS[name](decide=decide)
    task.measures  # noqa: B018  # raises where nothing is called so
    return task
