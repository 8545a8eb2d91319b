"""Values are read without loss: what differs in anything reads differently; what cannot be read is named."""

import collections
import dataclasses
import decimal
import enum
import functools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import types
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from lth.store.reading import Reader


def read(value):
    """What is read, and what could not be."""
    reader = Reader({})
    content = json.dumps(reader.read(value, "x"))
    return content, reader.code.listed, reader.unread


class Slots:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor


class Both(Slots):
    def __init__(self, factor, offset):
        self.factor, self.offset = factor, offset


class Private:
    __slots__ = ("__factor",)

    def __init__(self, factor):
        self.__factor = factor


class Numbers(list):
    pass


class Counted(dict):
    def __init__(self, *args, times):
        super().__init__(*args)
        self.times = times


class Silent:
    """Says less of itself to pickle than it holds."""

    def __init__(self, factor):
        self.factor = factor

    def __getstate__(self):
        return {}

    def times(self, x):
        return x * self.factor


class Kind(enum.Enum):
    FIRST = 1
    SECOND = 2


@dataclasses.dataclass
class Config:
    width: int = 1
    more: list = dataclasses.field(default_factory=list)


def closure(value):
    return lambda x: x * value


def default(value):
    def scale(x, factor=value):
        return x * factor

    return scale


def keyword(value):
    def scale(x, *, factor=value):
        return x * factor

    return scale


def attribute(value):
    def scale(x):
        return x * scale.factor

    scale.factor = value
    return scale


def nested(depth, leaf):
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def generator(seed):
    return torch.Generator().manual_seed(seed)


def teacher(value):
    network = nn.Linear(2, 2)
    nn.init.constant_(network.weight, value)
    nn.init.zeros_(network.bias)
    return [network]


BY_VALUE = [
    *(closure, default, keyword, attribute, Slots, Private, Silent, generator, teacher, Config),
    lambda x: functools.partial(functional.leaky_relu, negative_slope=x),
    lambda x: functools.partial(functools.partial(functional.leaky_relu, x), inplace=False),
    lambda x: functools.lru_cache(closure(x)),
    lambda x: closure([closure({"deep": x})]),
    lambda x: Both(0, x),
    lambda x: Both(x, 0),
    lambda x: Silent(x).times,
    lambda x: Numbers([x]),
    lambda x: Counted({1: 2}, times=x),
    lambda x: Counted({1: x}, times=0),
    lambda x: Config(more=[x]),
    lambda x: nested(7, x),
    lambda x: nested(300, x),
    lambda x: np.r_[np.zeros(100_000), x],
    lambda x: np.array([None, x], object),
    lambda x: torch.full((3,), x, dtype=torch.bfloat16),
    lambda x: torch.full((100_000,), x),
    lambda x: torch.sparse_coo_tensor([[0]], [float(x)], (3,), check_invariants=True),
    lambda x: collections.deque([x]),
    lambda x: collections.deque(maxlen=x),
    lambda x: collections.OrderedDict(a=x),
    lambda x: types.SimpleNamespace(a=x),
    lambda x: types.MappingProxyType({"a": x}),
    lambda x: weakref.ref([Kind.FIRST, Kind.SECOND][x - 1]),
    lambda x: torch.distributions.Normal(0.0, x),
    lambda x: property(closure(x)),
    lambda x: [x].append,
    lambda x: b"a" * 100 + bytes([x]),
    lambda x: memoryview(bytes([x])),
    *(decimal.Decimal, complex, range, slice, random.Random, np.random.default_rng, np.random.RandomState, np.float32),
    lambda x: re.compile(str(x)),
    lambda x: pathlib.Path(str(x)),
]


@pytest.mark.parametrize("make", BY_VALUE, ids=range(len(BY_VALUE)))
def test_things_that_hold_another_value_read_differently(make):
    assert read(make(1)) == read(make(1)) != read(make(2))
    assert not read(make(1))[2], "it can be read"


ALIKE = [
    *[(1, True), (1, 1.0), ("1.0", 1.0), (0.0, -0.0), ("None", None), ((1, 2), [1, 2]), ({1}, frozenset({1}))],
    *[
        ({1: 2, 3: 4}, {3: 4, 1: 2}),
        ({"a": 1}, [["a", 1]]),
        ([[1], [2]], [[1, 2]]),
        (b"a", "a"),
        (b"a", bytearray(b"a")),
    ],
    *[(np.zeros((2, 3)), np.zeros((3, 2))), (np.zeros(3), np.zeros(3, np.float32)), (np.float32(1), np.float64(1))],
    *[(torch.zeros(2), torch.zeros(2, dtype=torch.int64)), (torch.zeros(2), torch.zeros(2).requires_grad_())],
    *[(torch.float32, torch.float64), (torch.Size([1]), (1,)), (torch.device("cpu"), "cpu"), (torch.relu, torch.tanh)],
    *[(functional.relu, functional.elu), (np.exp, np.log), (functional.max_pool1d, functional.max_pool2d), (len, abs)],
    *[
        (nn.LayerNorm, nn.BatchNorm1d),
        (Slots, Both),
        (Kind.FIRST, Kind.SECOND),
        (re.compile("a"), re.compile("a", re.I)),
    ],
    (collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)),
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x, factor: x, lambda factor, x: x),
]


@pytest.mark.parametrize(("first", "second"), ALIKE, ids=range(len(ALIKE)))
def test_things_that_look_alike_read_differently(first, second):
    assert read(first) == read(first) != read(second) and not read(first)[2] and not read(second)[2]


def test_one_object_twice_is_not_two_equal_ones_and_a_circle_ends():
    one: list = [1]
    circle: list = []
    circle.append(circle)
    assert read([one, one]) != read([[1], [1]])
    assert read(circle) == read(circle)


LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab1.", max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda x: st.lists(x, max_size=3) | st.tuples(x, x) | st.dictionaries(st.text("ab", max_size=2), x, max_size=3),
    max_leaves=8,
)


def written(value):
    """What Python itself tells apart."""
    return repr(value)


@given(VALUES, VALUES)
def test_values_read_alike_exactly_if_they_are_written_alike(first, second):
    assert (read(first) == read(second)) == (written(first) == written(second))


UNREADABLE = {
    "generator": lambda: (x for x in [1]),
    "lock": threading.Lock,
    "TextIOWrapper": lambda: sys.__stderr__,
    "SystemRandom": random.SystemRandom,
    "ufunc": lambda: np.frompyfunc(abs, 1, 1),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_named_with_its_path(kind):
    reader = Reader({})
    reader.read({"k": [Slots(UNREADABLE[kind]())]}, "hidden.act")
    assert reader.unread == {"hidden.act['k'][0].factor": kind}


@pytest.mark.slow
def test_every_process_reads_alike():
    code = """
import json, pathlib, random, re, numpy, torch, functools
from torch.nn import functional
from lth.store.reading import Reader
path = pathlib.Path("a")
hash(path)  # which it keeps
values = [{"b", "a", "c"}, frozenset("xyz"), path, re.compile("b"), functional.gelu, torch.relu, random.Random(1)]
values += [numpy.random.default_rng(1), functools.partial(functional.elu, alpha=2.0), object()]
values += [lambda x: x in {"p", "q", "r"}]
reader = Reader({})
print(json.dumps([reader.read(values, "x"), reader.code.listed, reader.unread]))
"""
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1 and json.loads(shown.pop())[2] == {}
