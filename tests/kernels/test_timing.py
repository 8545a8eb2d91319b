"""Calls are timed in turns, and the shortest of each counts."""

import torch

from lth.kernels import timing


def test_the_shortest_call_of_each_way_counts(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.001)
    calls = {"long": lambda: torch.randn(300_000).sum(), "short": lambda: None}
    for ordered in (calls, dict(reversed(calls.items()))):
        times = timing.interleaved(ordered)
        assert list(times) == list(ordered) and times["long"] > times["short"]


def test_every_call_has_its_turn_in_every_round(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    made = []
    timing.interleaved({name: lambda name=name: made.append(name) for name in "ab"})
    assert made == ["a", "b"] * timing.ROUNDS
