"""Values come back from tensors as they were, without running code; what cannot is refused."""

import random
import threading
from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.portable import NotPortable, packed, unpacked

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.complex_numbers(allow_nan=False)
)
VALUES = st.recursive(
    LEAVES,
    lambda x: st.lists(x, max_size=3) | st.tuples(x, x) | st.dictionaries(st.integers() | st.text(), x, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_plain_values_come_back_as_they_were(value):
    back = unpacked(packed(value, "x"), "x", None)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        torch.randn(3),
        torch.zeros(2, dtype=torch.bfloat16),
        torch.zeros(0),
        {"a": [torch.ones(2), 1]},
        np.arange(3),
        np.float32(2),
    ],
)
def test_tensors_and_arrays_come_back_as_they_were(value):
    assert repr(unpacked(packed(value, "x"), "x", None)) == repr(value)


def test_sets_and_queues_come_back():
    value = [{1, 2}, frozenset("ab"), deque([1, 2], maxlen=3)]
    assert unpacked(packed(value, "x"), "x", None) == value


class Ramp:
    def __init__(self):
        self.step, self.inner = 0, {"rate": 1.0}


def test_an_object_comes_back_into_the_one_that_is_there():
    ramp, there = Ramp(), Ramp()
    ramp.step, ramp.inner["rate"] = 5, 0.5
    assert unpacked(packed(ramp, "x"), "x", there) is there and (there.step, there.inner) == (5, {"rate": 0.5})


@pytest.mark.parametrize(
    ("make", "draw"),
    [
        (lambda: torch.Generator().manual_seed(1), lambda g: torch.rand(1, generator=g).item()),
        (lambda: np.random.default_rng(1), lambda g: g.random()),
        (lambda: np.random.RandomState(1), lambda g: g.rand()),
        (lambda: random.Random(1), lambda g: g.random()),
    ],
)
def test_a_generator_goes_on_where_it_was(make, draw):
    generator, there = make(), make()
    draw(generator)
    kept = packed(generator, "x")
    assert draw(unpacked(kept, "x", there)) == draw(generator)


@pytest.mark.parametrize("value", [threading.Lock(), lambda x: x, [torch.nn.Linear(1, 1)], (x for x in [1])])
def test_what_no_file_can_hold_is_refused_by_its_type(value):
    with pytest.raises(NotPortable, match=type(value[0] if isinstance(value, list) else value).__name__):
        packed(value, "x")
