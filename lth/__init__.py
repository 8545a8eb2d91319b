"""The lottery ticket hypothesis as experiments. The public vocabulary; importing it imports no torch.

search = lth.find_ticket(model, (x, y), (x_test, y_test), levels=10, recipe=lth.Recipe(iterations=1000))
search.best.save("ticket.safetensors")
lth.load_ticket("ticket.safetensors").apply(model)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth.analysis.gradient import gradient_norm
    from lth.analysis.probes import probe
    from lth.api import Search, find_ticket
    from lth.compression.cost import cost
    from lth.compression.shrink import shrunk
    from lth.core.errors import LotteryError
    from lth.core.rng import Seeds
    from lth.data.tensors import Data, Split, prepare
    from lth.lottery.arms import arm
    from lth.lottery.interchange import from_torch_pruning, make_permanent, to_torch_pruning
    from lth.lottery.pruned import prune
    from lth.lottery.ticket import Ticket, load_ticket
    from lth.pruning.schedule import Pruning
    from lth.pruning.scores import score
    from lth.store.runs import Store
    from lth.training.evaluate import evaluate
    from lth.training.loop import train
    from lth.training.recipe import Recipe, plan
    from lth.training.run_spec import RunSpec

    __version__: str

_PLACES = {
    "Data": "data.tensors",
    "RunSpec": "training.run_spec",
    "LotteryError": "core.errors",
    "Pruning": "pruning.schedule",
    "Recipe": "training.recipe",
    "Search": "api",
    "Seeds": "core.rng",
    "Split": "data.tensors",
    "Store": "store.runs",
    "Ticket": "lottery.ticket",
    "arm": "lottery.arms",
    "cost": "compression.cost",
    "evaluate": "training.evaluate",
    "find_ticket": "api",
    "from_torch_pruning": "lottery.interchange",
    "gradient_norm": "analysis.gradient",
    "load_ticket": "lottery.ticket",
    "make_permanent": "lottery.interchange",
    "plan": "training.recipe",
    "prepare": "data.tensors",
    "probe": "analysis.probes",
    "prune": "lottery.pruned",
    "score": "pruning.scores",
    "shrunk": "compression.shrink",
    "to_torch_pruning": "lottery.interchange",
    "train": "training.loop",
}

__all__ = [
    "Data",
    "LotteryError",
    "Pruning",
    "Recipe",
    "RunSpec",
    "Search",
    "Seeds",
    "Split",
    "Store",
    "Ticket",
    "arm",
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
    "score",
    "shrunk",
    "to_torch_pruning",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata  # importing lth stays quick

        return metadata.version("lth")
    if name not in _PLACES:
        raise AttributeError(f"module 'lth' has no attribute {name!r}")
    return getattr(import_module(f"lth.{_PLACES[name]}"), name)
