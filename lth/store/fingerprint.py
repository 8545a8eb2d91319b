"""The fingerprint of a training: everything that its result depends on, and nothing else, as JSON and as a hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lth.core.code import unwrapped
from lth.core.weights import digest
from lth.pruning.scores import SCORES
from lth.pruning.updates import GradualCounts, MaskUpdate
from lth.store.architecture import architecture, code_of
from lth.store.loop_code import loop_code, loop_unread
from lth.store.passing import changes_of
from lth.tasks.task import Task
from lth.training.custom_loop import CustomLoop
from lth.training.kernels import fingerprinted
from lth.training.layout import is_by_channel
from lth.training.run_spec import RunSpec

LOOP = 1
"""Raise it when the training loop gives other results: runs that the older loop trained are then trained again."""
LAYOUT = 2
"""The same for networks whose batches pass with their channels innermost (`lth.training.layout`)."""
LATER = {
    "kernels": None,
    "precision": "float32",
    "betas": (0.9, 0.999),
    "memory_format": "auto",
    "compile": False,
}
"""Settings of a plan that are younger than kept trainings, with the value that leaves them out: it changes nothing."""


def fingerprint_inputs(spec: RunSpec) -> dict[str, Any]:
    """Everything that the result of training `spec` depends on; equal for two specs exactly if they train the same.

    Left out are folders, device, logging, observers, and settings without effect: the mask of a layer that is not
    pruned, the length of a schedule that does not depend on it, the seed of an augmentation that is off. With an
    `update` the first two have an effect: it changes every layer in the mask, and never after the schedule's last step.
    """
    if spec.loop is not None:
        return _of_custom_loop(spec, spec.loop)
    seeds, update = {"order": spec.seeds.order}, spec.update
    if spec.data.augment != "none":
        seeds["augment"] = spec.seeds.augment
    if update and update.draws:
        seeds["mask"] = spec.seeds.mask
    plan = asdict(spec.plan) | {"kernels": fingerprinted(spec)}
    plan = {key: value for key, value in plan.items() if key not in LATER or value != LATER[key]}
    if spec.plan.schedule != "cosine" and not update:
        plan["total"] = spec.plan.stop
    changes = {"update": update.fingerprint() | _further_code(update)} if update else {}
    spec.side.rewind()
    return changes | {
        "loop": LAYOUT if is_by_channel(spec.model, spec.data.shape) else LOOP,
        "model": architecture(spec.model, changes_of(spec)),
        "data": {"digest": spec.data.digest, "augment": spec.data.augment, **task_inputs(spec.data.task)},
        "start": digest(spec.initial_state),
        "mask": digest({name: mask for name, mask in spec.mask.items() if update or not mask.all()}),
        "plan": json.loads(json.dumps(plan)),
        "seeds": seeds,
    }


def _of_custom_loop(spec: RunSpec, loop: CustomLoop) -> dict[str, Any]:
    """The same for a user's own loop, which may do something else at each level and arm, and says its own length."""
    spec.side.rewind()
    plan = {"start": spec.plan.start} | ({} if spec.plan.open else {"stop": spec.plan.stop})
    return {
        "loop": loop_code(loop),
        "model": architecture(spec.model, changes_of(spec)),
        "data": {"digest": spec.data.digest} if len(spec.data.train) else {},
        "start": digest(spec.initial_state),
        "mask": digest(spec.mask),
        "plan": plan,
        "place": {"level": spec.level, "arm": spec.arm},
        "seeds": {"order": spec.seeds.order},
    }


def unread(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Path -> type of what could not be read of a network or a loop: such a training is not answered from a store."""
    loop = inputs["loop"]
    of_loop = loop_unread(loop) if isinstance(loop, dict) else {}
    return {**inputs["model"].get("unread", {}).get("paths", {}), **of_loop}


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """The hash of `fingerprint_inputs`, 20 hexadecimal digits: the name of the run in the store.

    >>> fingerprint({"loop": 1, "plan": {"lr": 0.0012}})
    '32f16a72435116615f0d'
    """
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:20]


def task_inputs(task: Task) -> dict[str, Any]:
    """The task and the user's code in it; nothing for plain classification, which runs without it are of."""
    values = task.fingerprint()
    code = code_of([one for function in task.functions for one in unwrapped(function)]) if task.functions else {}
    return {"task": json.loads(json.dumps(values | code))} if values else {}


def _further_code(update: MaskUpdate) -> dict[str, Any]:
    """The user's code in an update besides the file of its score, which is a part of the update's own fingerprint."""
    if not isinstance(update, GradualCounts) or not (score := SCORES.get(update.score, "pruning.score")).custom:
        return {}
    sections = code_of(unwrapped(score.function))
    helpers = {name: x for name, x in sections.pop("helpers", {}).items() if x != score.source}
    return sections | ({"helpers": helpers} if helpers else {})
