"""The lottery ticket hypothesis as experiments. The public vocabulary; importing it imports no torch.

search = lth.find_ticket(model, (x, y), (x_test, y_test), levels=10, recipe=lth.Recipe(iterations=1000))
search.best.save("ticket.safetensors")
lth.load_ticket("ticket.safetensors").apply(model)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth.analysis.gradient import gradient_norm
    from lth.analysis.probes import ProbeInputs, probe
    from lth.api import find_ticket, search
    from lth.arguments import Training
    from lth.compression.cost import cost
    from lth.compression.shrink import shrunk
    from lth.core.errors import LotteryError
    from lth.core.rng import rng
    from lth.core.seeds import Seeds
    from lth.core.setting import setting
    from lth.core.tables import Column, Table
    from lth.data.preparation import prepare
    from lth.data.tensors import Data, Split
    from lth.experiment import Experiment
    from lth.lottery.arms import Outcome, arm
    from lth.lottery.context import Context
    from lth.lottery.interchange import from_torch_pruning, make_permanent, to_torch_pruning
    from lth.lottery.levels import Level
    from lth.lottery.pruned import prune
    from lth.lottery.ticket import Ticket, load_ticket
    from lth.pruning.schedule import Pruning
    from lth.pruning.scores import score
    from lth.pruning.scores.inputs import ScoreInputs
    from lth.report.figures.lines import LineFigure
    from lth.report.figures.series import Measure
    from lth.report.results import Results
    from lth.searches import Search, Searches
    from lth.session import Session
    from lth.settings import LevelSettings
    from lth.store.runs import Store
    from lth.tasks.classification import Classification
    from lth.tasks.custom import CustomTask
    from lth.tasks.language import Language
    from lth.tasks.metrics import Metric
    from lth.tasks.multilabel import Multilabel
    from lth.tasks.regression import Regression
    from lth.training.attach import HeldMask, attach
    from lth.training.custom_run import LoopRun
    from lth.training.evaluate import evaluate
    from lth.training.loop import train
    from lth.training.recipe import Recipe, plan
    from lth.training.run_spec import RunSpec

    __version__: str

_PLACES = {
    "arm": "lottery.arms",
    "attach": "training.attach",
    "Classification": "tasks.classification",
    "Column": "core.tables",
    "Context": "lottery.context",
    "cost": "compression.cost",
    "CustomTask": "tasks.custom",
    "Data": "data.tensors",
    "evaluate": "training.evaluate",
    "Experiment": "experiment",
    "find_ticket": "api",
    "from_torch_pruning": "lottery.interchange",
    "gradient_norm": "analysis.gradient",
    "HeldMask": "training.attach",
    "Language": "tasks.language",
    "Level": "lottery.levels",
    "LevelSettings": "settings",
    "LineFigure": "report.figures.lines",
    "load_ticket": "lottery.ticket",
    "LoopRun": "training.custom_run",
    "LotteryError": "core.errors",
    "make_permanent": "lottery.interchange",
    "Measure": "report.figures.series",
    "Metric": "tasks.metrics",
    "Multilabel": "tasks.multilabel",
    "Outcome": "lottery.arms",
    "plan": "training.recipe",
    "prepare": "data.preparation",
    "probe": "analysis.probes",
    "ProbeInputs": "analysis.probes",
    "prune": "lottery.pruned",
    "Pruning": "pruning.schedule",
    "Recipe": "training.recipe",
    "Regression": "tasks.regression",
    "Results": "report.results",
    "rng": "core.rng",
    "RunSpec": "training.run_spec",
    "score": "pruning.scores",
    "ScoreInputs": "pruning.scores.inputs",
    "search": "api",
    "Search": "searches",
    "Searches": "searches",
    "Seeds": "core.seeds",
    "Session": "session",
    "setting": "core.setting",
    "shrunk": "compression.shrink",
    "Split": "data.tensors",
    "Store": "store.runs",
    "Table": "core.tables",
    "Ticket": "lottery.ticket",
    "to_torch_pruning": "lottery.interchange",
    "train": "training.loop",
    "Training": "arguments",
}

__all__ = [
    "Classification",
    "Column",
    "Context",
    "CustomTask",
    "Data",
    "Experiment",
    "HeldMask",
    "Language",
    "Level",
    "LevelSettings",
    "LineFigure",
    "LoopRun",
    "LotteryError",
    "Measure",
    "Metric",
    "Multilabel",
    "Outcome",
    "ProbeInputs",
    "Pruning",
    "Recipe",
    "Regression",
    "Results",
    "RunSpec",
    "ScoreInputs",
    "Search",
    "Searches",
    "Seeds",
    "Session",
    "Split",
    "Store",
    "Table",
    "Ticket",
    "Training",
    "arm",
    "attach",
    "cost",
    "evaluate",
    "find_ticket",
    "from_torch_pruning",
    "gradient_norm",
    "load_ticket",
    "make_permanent",
    "plan",
    "prepare",
    "probe",
    "prune",
    "rng",
    "score",
    "search",
    "setting",
    "shrunk",
    "to_torch_pruning",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _PLACES:
        raise AttributeError(f"module 'lth' has no attribute {name!r}")
    return getattr(import_module(f"lth.{_PLACES[name]}"), name)


def _version() -> str:
    """The version of the installed package; of a checkout that is not installed, the one that its pyproject names."""
    from importlib import metadata  # importing lth stays quick
    from pathlib import Path

    try:
        return metadata.version("lth")
    except metadata.PackageNotFoundError:
        import tomllib

        from lth.core.reading import read_text

        project = tomllib.loads(read_text(Path(__file__).parents[1] / "pyproject.toml"))
        return str(project["project"]["version"])
