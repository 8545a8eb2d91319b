"""What a pass through a network changes, by trying one: it is no part of the architecture.

The pass runs on a copy, in training mode with gradients and in evaluation mode. An attribute counts only if the pass
sets it before it reads it, as a kept activation: a counter is read first, and what it starts from makes a difference.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lth.core.keeping import copied, kept
from lth.core.parts import ABSENT, GENERATORS, Part, same
from lth.core.places import REWOUND, is_plain
from lth.core.rng import generators_kept
from lth.core.side_state import SideState
from lth.core.trees import call, first_tensor, take
from lth.store.architecture import Changes, read_network
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)


_KNOWN: "WeakKeyDictionary[SideState, Changes]" = WeakKeyDictionary()


def changes_of(spec: RunSpec) -> Changes:
    """What a pass through the network of `spec` changes, tried once for all specs that come from one."""
    if spec.side not in _KNOWN:
        _KNOWN[spec.side] = tried(spec.model, spec.data.train.images)
    return _KNOWN[spec.side]


def tried(model: nn.Module, inputs: Any) -> Changes:
    """What a pass of some `inputs` (N, ...) through `model` changes; nothing where it fails. Nothing stays changed."""
    if is_plain(model) or not len(inputs):  # without inputs nothing tells what the network takes
        return Changes()
    variables, device = read_network(model, Changes())[1].code.parts(), first_tensor(inputs).device
    try:
        with kept(model), generators_kept([device] if device.type == "cuda" else []):
            attributes = _set_first(_disturbed(model).to(device), inputs)
            changed = {path: [part for part in parts if part.changed] for path, parts in variables.items()}
            left_out = {path: [x for part in parts for x in _entries(part)] for path, parts in changed.items()}
    except Exception:  # whatever a user's own network raises; then all of it counts
        return Changes()
    finally:
        for parts in variables.values():
            for part in parts:
                part.restore()
    for path in sorted(path for path, entries in left_out.items() if entries):
        log.info("a pass through the network changes %s: that is neither rewound nor a part of the fingerprint", path)
    things = tuple(part.thing for parts in changed.values() for part in parts)
    return Changes(attributes, frozenset(entry for entries in left_out.values() for entry in entries), things)


def _entries(part: Part) -> Iterator[tuple[int, Any]]:
    """(id, key) of each entry of a dict or an object that has changed; (id, None) of another thing.

    Numbers, text and generators are left out: they are rewound.
    """
    now, before = part.kind.read(part.thing), part.content
    if isinstance(now, dict):
        changed = {key for key in now.keys() | before if not same(now.get(key, ABSENT), before.get(key, ABSENT))}
        yield from ((id(part.thing), key) for key in changed if not isinstance(now.get(key), REWOUND))
    elif not isinstance(part.thing, GENERATORS) and not (
        isinstance(now, list) and len(now) == len(before) and all(isinstance(x, REWOUND) for x in now)
    ):
        yield id(part.thing), None


def _disturbed(model: nn.Module) -> nn.Module:
    """A copy with other weights, so that whatever a pass computes differs from what was there before."""
    network = copied(model)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point():
                parameter.mul_(1.01)
    return network


def _set_first(network: nn.Module, inputs: Any) -> frozenset[str]:
    """The attributes that each pass which touches them sets before it reads them."""
    written, read = set[str](), set[str]()
    for training, some in ((True, take(inputs, slice(2))), (False, take(inputs, slice(-2, None)))):
        first: dict[str, bool] = {}
        network.train(training)
        with _watched(network, first), torch.set_grad_enabled(training):
            outputs = call(network, some)
            if training and isinstance(outputs, Tensor) and outputs.requires_grad:
                outputs.sum().backward()
        written |= {name for name, is_set in first.items() if is_set}
        read |= {name for name, is_set in first.items() if not is_set}
    return frozenset(written - read)


@contextmanager
def _watched(network: nn.Module, first: dict[str, bool]) -> Iterator[None]:
    """Within, `first` gets the name of each attribute that is used, and whether it was set first."""
    kinds = {module: type(module) for module in network.modules()}
    try:
        for path, module in network.named_modules():
            module.__class__ = _watching(type(module), f"{path}." if path else "", first)
        yield
    finally:
        for module, kind in kinds.items():
            module.__class__ = kind


def _watching(kind: type[nn.Module], prefix: str, first: dict[str, bool]) -> type[nn.Module]:
    def __getattribute__(self: nn.Module, name: str) -> Any:
        first.setdefault(prefix + name, False)
        return kind.__getattribute__(self, name)

    def __setattr__(self: nn.Module, name: str, value: Any) -> None:
        first.setdefault(prefix + name, True)
        kind.__setattr__(self, name, value)

    body = {"__getattribute__": __getattribute__, "__setattr__": __setattr__, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), body)
