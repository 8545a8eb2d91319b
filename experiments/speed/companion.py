"""The second worker: another process that trains the same network, when it is told to."""

import select
import sys
from typing import ClassVar

from torch import nn

from lth.core.machine import prepare
from lth.core.tables import Column
from lth.training.loop import train
from lth.training.run_spec import RunSpec

from .blocks import Blocks
from .child import Child
from .networks import NETWORKS, load_images, make_spec
from .settings import SpeedSettings

NETWORK, DENSITY = NETWORKS["lenet_300_100"], 0.21
"""What both workers train."""


class Companion(Child):
    """The second worker: another process with a training of its own, which goes on only when it is told to."""

    def __init__(self, settings: SpeedSettings) -> None:
        arguments = f"{settings.data.root!r}, {settings.seed}, {settings.threads}"
        code = f"from lth.experiments.speed.companion import accompany; accompany({arguments})"
        super().__init__(code, "the second worker")

    def work(self) -> int:
        """Returns when the other process trains: how often it has looked at its orders."""
        self.order("work")
        return int(self.answer())

    def rest(self) -> int:
        """Returns when the other process waits: how often it has looked at its orders."""
        self.order("rest")
        return int(self.answer())


def accompany(root: str | None, seed: int, threads: int) -> None:
    """What the second worker does: trains and waits as the lines on stdin say, until they end."""
    prepare("cpu", threads)
    spec = make_spec(NETWORK, load_images(NETWORK.data, root), DENSITY, seed)
    train(spec, [Obedience()])


def beside(blocks: Blocks, companion: Companion) -> Blocks:
    """`blocks` with `companion` at work."""
    while True:
        companion.work()
        try:
            time = next(blocks)
        finally:
            companion.rest()
        yield time


class Obedience:
    """An observer that lets its training go on only after the line `work`, and holds it at the line `rest`."""

    key, every = "obedience", 10
    columns: ClassVar[dict[str, Column]] = {}

    def __init__(self) -> None:
        self.working, self.looks = False, 0

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        self.looks += 1
        ordered = bool(select.select([sys.stdin], [], [], 0)[0])
        while ordered or not self.working:
            line = sys.stdin.readline()
            if not line:
                sys.exit()
            self.working, ordered = line.strip() == "work", False
            print(self.looks, flush=True)
        return {}
