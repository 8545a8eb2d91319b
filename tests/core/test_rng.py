"""A number depends on its address alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.rng import address, global_rng, rng
from lth.core.seeds import Seeds

PARTS = st.one_of(st.integers(0, 99), st.text("abcxyz._", min_size=1, max_size=5))
PLACES = st.tuples(st.integers(0, 99), st.lists(PARTS, max_size=3))


def test_address_is_the_same_in_another_process(command, tmp_path) -> None:
    code = "from lth.core.rng import *; print(address(3, 'order', 7), torch.rand(1, generator=rng(3, 'order')).item())"
    there = command(cwd=tmp_path, code=code).stdout.split()
    assert there == [str(address(3, "order", 7)), str(torch.rand(1, generator=rng(3, "order")).item())]


def test_address_is_pinned() -> None:
    """Another hash would silently change every result."""
    assert address(0, "order", 0) == 8407243675484231436


@given(PLACES, PLACES)
def test_different_addresses_differ(first: tuple, second: tuple) -> None:
    texts = [(seed, [str(part) for part in where]) for seed, where in (first, second)]
    assert (address(first[0], *first[1]) == address(second[0], *second[1])) == (texts[0] == texts[1])


@given(PLACES, st.integers(0, 50))
def test_draws_do_not_depend_on_draws_before(place: tuple, before: int) -> None:
    first = torch.rand(5, generator=rng(place[0], *place[1]))
    torch.rand(before)
    torch.rand(before, generator=rng(place[0], *place[1]))
    assert torch.equal(first, torch.rand(5, generator=rng(place[0], *place[1])))


def test_global_rng_restores_what_was_there() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with global_rng(1, "a"):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(9)
    with global_rng(1, "a"):
        assert torch.equal(torch.rand(3), first)


def test_global_rng_restores_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError), global_rng(1, "a"):
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_that_is_not_resolved_is_an_error() -> None:
    with pytest.raises(TypeError, match="not resolved"):
        address(Seeds(order=3).mask, "grow")
