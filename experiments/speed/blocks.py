"""Blocks of iterations, timed: of any steps, and of a training of ours; and ways of training that take turns.

A way of training is a generator without end that runs a block at each `next` and gives its milliseconds per iteration.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import islice

import torch

from lth.training.loop import train
from lth.training.recipe import Plan
from lth.training.run_spec import RunSpec

Blocks = Generator[float]
Hold = Callable[[int], None]
"""Called in a training after every block, with the number of iterations done: returns when the next one is wanted."""


def timed(steps: Iterator[None], iterations: int) -> Blocks:
    """The blocks of `steps`, an iteration each, with whatever kernels torch takes by itself."""
    while True:
        with any_kernels():
            began = clock()
            for _ in islice(steps, iterations):
                pass
            seconds = clock() - began
        yield milliseconds(seconds, iterations)


def clock() -> float:
    """The time in seconds, once the GPU, where one is used, has done all that it was told."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def any_kernels() -> Iterator[None]:
    """Within, torch may take kernels that are not deterministic, as others do; ours, but for one CPU thread, may not.

    On a GPU it also looks for the fastest convolutions, as scripts ask it to.
    """
    ours, cudnn = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn
    if ours:
        torch.use_deterministic_algorithms(False)
        cudnn.deterministic, cudnn.benchmark = False, True
    try:
        yield
    finally:
        if ours:
            torch.use_deterministic_algorithms(True, warn_only=True)
            cudnn.deterministic, cudnn.benchmark = True, False


def trained(spec: RunSpec, iterations: int) -> Blocks:
    """The blocks of our training of `spec`, a training like any other, which must be long enough."""
    return paced(training_of(spec, iterations), iterations)


def training_of(spec: RunSpec, iterations: int) -> Callable[[Hold], object]:
    """Our training of `spec`, which calls its argument after every block."""
    values = {entry.name: getattr(spec.plan, entry.name) for entry in fields(spec.plan)} | {
        "evaluate_every": iterations
    }
    return lambda hold: train(replace(spec, plan=PacedPlan(**values, reached=hold)))


def paced(training: Callable[[Hold], object], iterations: int) -> Blocks:
    """The blocks of `training`, which must be long enough; whatever is before and between them is no part.

    It runs in a thread of its own, and is held after each block until the next is wanted.
    """
    pacer = Pacer(training)
    try:
        pacer.begin()
        while True:
            yield milliseconds(pacer.block(), iterations)
    finally:
        pacer.end()


def milliseconds(seconds: float, iterations: int) -> float:
    """The milliseconds per iteration of a block that took `seconds`."""
    return 1e3 * seconds / iterations


def take_turns(
    ways: Mapping[str, Blocks], turns: int, done: Callable[[str, float], None] = lambda name, time: None
) -> dict[str, list[float]]:
    """The times of each of `ways`, which run a block each in every turn, one after the other.

    Every second turn runs in the reverse order, so that none gains by its place. A first turn warms up, and is in no
    list. done: called after each block with its way and its time.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as stack:
        for blocks in ways.values():
            stack.enter_context(closing(blocks))
        for turn in range(turns + 1):
            for name in list(ways)[:: -1 if turn % 2 else 1]:
                times[name].append(next(ways[name]))
                done(name, times[name][-1])
    return {name: values[1:] for name, values in times.items()}


class Ended(BaseException):
    """Ends a training that is held."""


@dataclass(frozen=True)
class PacedPlan(Plan):
    """A plan that never evaluates; `reached` is called with the number of iterations done, at the end of each block.

    A training asks its plan after its steps whether to evaluate, and takes no step beyond the next evaluation at once.
    So nothing else stands between two steps than stands there in any training.
    """

    reached: Hold = field(default=lambda iteration: None, compare=False)

    def evaluates(self, iteration: int) -> bool:
        """False, once the next block is wanted."""
        if iteration % self.evaluate_every == 0:
            self.reached(iteration)
        return False


class Pacer:
    """Holds `training`, in a thread of its own, after every block until the next one."""

    def __init__(self, training: Callable[[Hold], object]) -> None:
        self.training, self.iteration = training, 0
        self.wanted, self.ready = threading.Semaphore(0), threading.Semaphore(0)
        self.began = self.took = 0.0
        self.ending = False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._train, args=(torch.get_num_threads(),), daemon=True)

    def begin(self) -> None:
        """Returns when the training has taken the steps of a first block, which is not timed."""
        self.thread.start()
        self._wait()

    def block(self) -> float:
        """The seconds of the next block."""
        self.wanted.release()
        self._wait()
        return self.took

    def end(self) -> None:
        """Ends the training."""
        self.ending = True
        self.wanted.release()
        if self.thread.ident is not None:
            self.thread.join()

    def _hold(self, iteration: int) -> None:
        """Stops the clock, waits until a block is wanted, and starts it."""
        self.took = clock() - self.began
        self.iteration = iteration
        self.ready.release()
        self.wanted.acquire()
        if self.ending:
            raise Ended
        self.began = clock()

    def _wait(self) -> None:
        self.ready.acquire()
        if self.error:
            raise self.error

    def _train(self, threads: int) -> None:
        torch.set_num_threads(threads)  # a thread has its own number of threads
        try:
            self.training(self._hold)
            raise ValueError("the training is too short for its blocks")
        except Ended:
            pass
        except BaseException as error:
            self.error = error
            self.ready.release()
