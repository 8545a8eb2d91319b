"""The run of `lth speed`: our loop, the usual one and the bare matrix products take turns."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from lth.core.files import write_json
from lth.core.machine import describe
from lth.core.tables import Column
from lth.experiment import Item
from lth.report.progress import Progress
from lth.session import Session
from lth.training.loop import train
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec

from .companion import Companion
from .loops import MNIST, floor, usual
from .tables import SPEED, TARGETS, WORKERS
from .training import make_spec, mnist

BESIDE = "ours, 2 workers"


def run(session: Session) -> Iterator[Item]:
    """Yields the rows of speed.csv, and leaves speed.json in the job's folder."""
    settings = session.settings
    images, source = mnist(settings.data.root)
    spec = make_spec(images, settings)
    others = {"usual": usual(spec, MNIST(images)), "floor": floor(spec)}
    with Companion(settings) as companion:
        turns = Turns(others, companion, settings.blocks, settings.iterations, session.progress)
        train(spec, [turns])
    times = {name: values[1:] for name, values in turns.times.items()}
    rows = [row(name, "ms per iteration", values) for name, values in times.items()]
    for above, below in (("usual", "ours"), ("ours", "floor")):
        ratios = [a / b for a, b in zip(times[above], times[below], strict=True)]
        rows.append(row(f"{above} / {below}", "times", ratios))
    pairs = zip(times[BESIDE], times["ours"], strict=True)
    rows.append(row(WORKERS, "times", [together / (2 * alone) for together, alone in pairs]))
    rows.append(row("evaluation", "%", [evaluation_share(spec, settings.level_iterations)]))
    lengths = {key: getattr(settings, key) for key in ("blocks", "iterations", "level_iterations")}
    facts = {"data": source, "machine": describe(session.device), "rows": rows, "ms": times}
    write_json(session.folder / "speed.json", lengths | facts)
    yield from (("speed", values) for values in rows)


class Turns:
    """An observer of our training: it stops the clock after each block, and lets the others run a block each.

    Our blocks come in turn alone and beside `companion`; the others run after those alone.
    """

    columns: ClassVar[dict[str, Column]] = {}

    def __init__(
        self,
        others: Mapping[str, Iterator[None]],
        companion: Companion,
        blocks: int,
        iterations: int,
        progress: Progress,
    ) -> None:
        self.key, self.every, self.others, self.turns = "turns", iterations, others, blocks + 1
        self.companion = companion
        self.times: dict[str, list[float]] = {name: [] for name in ("ours", *others, BESIDE)}  # ms per iteration
        self.progress = progress
        progress.expect(len(self.times) * self.turns, "block")
        self.began = 0.0

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        seconds = time.perf_counter() - self.began
        if self.began and len(self.times[BESIDE]) < self.turns:  # the last look comes after the evaluation
            if len(self.times["ours"]) == len(self.times[BESIDE]):
                self._add("ours", seconds)
                self._let_others()
                self.companion.work()
            else:
                self._add(BESIDE, seconds)
                self.companion.rest()
        self.began = time.perf_counter()
        return {}

    def _let_others(self) -> None:
        torch.use_deterministic_algorithms(False)
        for name, steps in self.others.items():
            began = time.perf_counter()
            for _ in islice(steps, self.every):
                pass
            self._add(name, time.perf_counter() - began)
        torch.use_deterministic_algorithms(True, warn_only=True)

    def _add(self, name: str, seconds: float) -> None:
        self.times[name].append(1e3 * seconds / self.every)
        self.progress.done(f"{name} {self.times[name][-1]:.3f} ms")


def evaluation_share(spec: RunSpec, iterations: int) -> float:
    """Percent of a training's time; its one look at the training split, when all is over, is not counted."""
    ended: list[float] = []
    began = time.perf_counter()
    recipe = Recipe(iterations=iterations, evaluate_every=100)
    longer = replace(spec, plan=plan(recipe, len(spec.data.train)))
    trace = train(longer, progress=lambda iteration: ended.append(time.perf_counter()))
    return 100 * trace.evaluation_seconds / (ended[-1] - began)


def row(measure: str, unit: str, values: list[float]) -> dict[str, Any]:
    """A row of `speed.csv`: the median and the quartiles of `values`."""
    low, median, high = np.percentile(values, (25, 50, 75)).round(4).tolist()
    figures = (median, low, high) if len(values) > 1 else (median, None, None)
    return dict(zip(SPEED.names, (measure, unit, *figures, TARGETS.get(measure)), strict=True))
