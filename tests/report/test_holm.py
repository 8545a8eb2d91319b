"""Holm's adjusted p-values, against their definition."""

from hypothesis import given
from hypothesis import strategies as st

from lth.report.holm import holm


@given(st.lists(st.floats(0, 1), max_size=12))
def test_each_is_the_largest_of_the_steps_up_to_it(p):
    order = sorted(range(len(p)), key=lambda place: p[place])
    for rank, place in enumerate(order):
        steps = [min(1.0, (len(p) - step) * p[other]) for step, other in enumerate(order[: rank + 1])]
        assert holm(p)[place] == max(steps) >= p[place]
