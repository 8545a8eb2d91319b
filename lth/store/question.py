"""A training's question: all that goes into its result, and nothing else, as JSON and as a hash."""

import hashlib
import inspect
import json
from dataclasses import asdict
from pathlib import Path
from types import CodeType
from typing import Any

from torch import nn

from lth.core.weights import digest
from lth.training.loop import Job

LOOP = 1
"""Raised when the meaning of the training loop changes: old answers are then not given to new questions."""


def question(job: Job) -> dict[str, Any]:
    """What is asked by training `job`; equal for two jobs exactly when they are the same training.

    Not in it: folders, device, logging, lineage, observers.
    """
    seeds = {"order": job.seeds.order}
    if job.data.augment != "none":
        seeds["augment"] = job.seeds.augment
    return {
        "loop": LOOP,
        "model": architecture(job.model),
        "data": {"digest": job.data.digest, "augment": job.data.augment},
        "start": digest(job.start),
        "mask": digest(job.mask),
        "plan": json.loads(json.dumps(asdict(job.plan))),
        "seeds": seeds,
    }


def hash_of(question: dict[str, Any]) -> str:
    """The name of a question: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:20]


def architecture(model: nn.Module) -> dict[str, Any]:
    """The model's class, its structure as torch prints it, the source of each class not of torch, and what is frozen.

    So that a changed `forward` of a user's own network asks a new question.
    """
    kinds = {_name(type(module)): type(module) for module in model.modules()}
    own = {name: _source(kind) for name, kind in sorted(kinds.items()) if not name.startswith("torch.")}
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return {"class": _name(type(model)), "structure": repr(model), "sources": own, "frozen": frozen}


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _source(kind: type) -> str:
    """A hash of the file that defines `kind`; where there is none (a console), of its methods' code."""
    try:
        content = Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):
        methods = [getattr(value, "__code__", None) for _, value in sorted(vars(kind).items())]
        content = "\n".join(_code(code) for code in methods if code is not None).encode()
    return hashlib.sha256(content).hexdigest()[:20]


def _code(code: CodeType) -> str:
    constants = [_code(x) if isinstance(x, CodeType) else repr(x) for x in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
