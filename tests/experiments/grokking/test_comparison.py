"""Delays over seeds: ratios to the ticket's by the closed form, open where a network never generalises."""

import math

import pytest
from lth.experiments.grokking.comparison import grouped, over_seeds, sentences, sheet, summary_row

from lth.report.intervals import t_interval


def rows(arm, delays, level=1, end=900):
    """The rows of delays.csv of one arm, a seed each; None is a network that never generalises."""
    return [
        {"seed": seed, "level": level, "arm": arm, "draw": 0, "density": 0.6 if level else 1.0}
        | {"run": f"{arm}{level}{seed}", "memorized_at": 100, "generalized_at": delay and 100 + delay}
        | {"delay": delay or end, "censored": delay is None}
        for seed, delay in enumerate(delays)
    ]


TICKET = rows("ticket", [100, 200, 300])


def test_a_ratio_is_the_geometric_mean_over_seeds_with_the_interval_of_the_logarithms():
    dense = [400, 500, 600]
    network = over_seeds([*rows("ticket", dense, level=0), *TICKET])["dense"]
    closed = t_interval([math.log(x / y) for x, y in zip(dense, (100, 200, 300), strict=True)])
    assert network.ratio.mean == pytest.approx(math.exp(closed.mean)) and network.ratio.n == 3
    assert (network.ratio.low, network.ratio.high) == pytest.approx((math.exp(closed.low), math.exp(closed.high)))


def test_a_network_that_never_generalises_has_a_lower_bound_alone():
    network = over_seeds([*TICKET, *rows("random", [800, None, None])])["random"]
    assert network.ratio.low and network.ratio.high is None and network.times_ticket.endswith("∞)")
    assert network.median("generalized_at") is None and network.time("generalized_at") == "never"
    some = over_seeds([*TICKET, *rows("random", [700, 800, None])])["random"]
    assert some.time("generalized_at") == "900 (1 of 3 never)"


def test_what_is_told_from_the_ticket_is_grouped_by_the_intervals():
    every = [*rows("ticket", [400, 810, 1220], level=0), *TICKET, *rows("snip", [100, 201, 299])]
    networks = over_seeds([*every, *rows("random", [25, 51, 74])])
    assert list(grouped(networks).values()) == [["dense"], ["random"], ["snip"]]
    assert "longer than the ticket's for dense; shorter than it for random" in sentences(networks)[-1]
    assert [cells[0] for cells in sheet("", networks).cells] == list(networks)
    assert summary_row({"data": "d", "model": "m", "setting": "s"}, networks["snip"])["n"] == 3


def test_fewer_than_three_seeds_and_a_ticket_that_has_not_memorised_give_no_verdict():
    two = [row for row in [*rows("ticket", [4, 8, 9], level=0), *TICKET] if row["seed"] < 2]
    assert "no verdict" in sentences(over_seeds(two))[-1]
    assert "train longer" in sentences(over_seeds(TICKET))[0]
