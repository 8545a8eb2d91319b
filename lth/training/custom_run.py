"""What a user's loop is given: the network, the steps to take, and the addresses of all that is random in them."""

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.rng import address, rng
from lth.data.arrays import kind_of
from lth.data.batches import order
from lth.data.step_loader import StepLoader, loader_of
from lth.data.tensors import Data

if TYPE_CHECKING:
    from lth.training.custom import Conduct

T = TypeVar("T")


class LoopRun:
    """One training, as a user's loop sees it.

    model: the network, with the weights that the training starts from, pruned ones zero, on the device. seed: of the
    order of examples, the replicate's unless `seeds.order` says another. level, arm: what is trained; by the arm
    `ticket` at level 0 the dense network. device: that of the model. data: the data set where lth has one, else None.

    >>> def fit(run):
    ...     optimizer = run.attach(torch.optim.SGD(run.model.parameters(), 0.1))
    ...     for step in run.steps(100):
    ...         inputs = torch.randn(8, 4, generator=run.rng(step))
    ...         run.model(inputs).square().mean().backward()
    ...         optimizer.step()
    ...         optimizer.zero_grad()
    ...     return {"test_loss": 0.0}
    """

    def __init__(self, conduct: "Conduct") -> None:
        spec = conduct.spec
        self.model: nn.Module = spec.model
        self.seed, self.level, self.arm = spec.seeds.order, spec.level, spec.arm
        self.device: torch.device = spec.data.train.device
        self.data: Data | None = spec.data if len(spec.data.train) else None
        self._conduct = conduct
        self._order = (-1, -1, torch.empty(0))  # examples, epoch, the order of the examples in it
        self._loaders = 0

    @property
    def done(self) -> int:
        """The number of steps done: at first the rewind point; after `run.steps`, where a killed training goes on."""
        return self._conduct.done

    @property
    def stop(self) -> int:
        """The step that this training ends before, once `run.steps` is called: the last one, or the rewind point."""
        return self._conduct.stop

    def rng(self, step: int, *names: str | int) -> torch.Generator:
        """A CPU generator for what is drawn in `step`; `names` tell several draws of one step apart.

        It is the same for all levels and arms of a seed, so that they share the order of examples, and whatever was
        drawn before.
        """
        return rng(self.seed, "loop", step, *names)

    def batch(self, step: int, examples: int, size: int) -> Tensor:
        """The indices of the batch of `step`, int64 (size,), on the device: of `examples` training examples.

        Each epoch is a new order of all examples, of which those that fill no batch are left out: the batches that
        lth's own loop takes.
        """
        epoch, number = divmod(step, max(1, examples // size))
        if self._order[:2] != (examples, epoch):
            self._order = (examples, epoch, order(examples, self.seed, epoch).to(self.device))
        return self._order[2][number * size : (number + 1) * size]

    def batches(self, examples: Any, **settings: Any) -> StepLoader:
        """The batches of a loader by their numbers: `batches = run.batches(loader)`, and in a step `batches[step]`.

        A number gives the same batch in every training of the seed, resumed or not, in the order that the sampler of
        the loader draws for the epoch; workers fetch ahead. examples: a `torch.utils.data.DataLoader`, a stream that
        can be gone through again (to begin in its middle takes as long as to read up to there), or a dataset with the
        settings of a DataLoader, as `run.batches(dataset, batch_size=64)`. Raises LotteryError for anything else.
        """
        self._loaders += 1  # of two loaders, each has an order of its own
        return StepLoader(loader_of(examples, **settings), address(self.seed, "loader", self._loaders))

    def attach(self, optimizer: T, scheduler: Any = None) -> T:
        """`optimizer`, by whose steps pruned weights stay exactly zero from `run.steps` on; before it, once for each.

        scheduler: its schedule of the learning rate. Both are resumed from checkpoints; at a rewind point the optimiser
        is fresh, and the schedule goes on from there. Raises LotteryError for an optimiser of other weights.
        """
        self._conduct.check_before("attach")
        self._conduct.state.attach(optimizer, scheduler)
        return optimizer

    def keep(self, **things: Any) -> None:
        """Keeps other things that change from step to step, such as a GradScaler or an average of the weights.

        Each has `state_dict()` and `load_state_dict()`: checkpoints hold its state. Called before `run.steps`.
        """
        self._conduct.check_before("keep")
        self._conduct.state.keep(things)

    def steps(self, count: int) -> Iterator[int]:
        """The numbers of the steps to take, of a training of `count` steps: to be gone through to the end.

        They begin at the rewind point, or where a killed training goes on; the training up to the rewind point ends
        there. The weights change in them alone. The global generators of torch, NumPy and Python are seeded by the
        number of each step, so that dropout and the like draw the same after resuming.
        """
        return self._conduct.steps(count)

    def log(self, step: int, **metrics: Any) -> None:
        """Adds a point to the curves: numbers by name, of the weights as they are.

        step: the present step, or the number of steps done, which is one more after the step of the optimiser. Several
        calls for one step are one point. A metric that is NaN or infinite ends the training, which has diverged.
        """
        self._conduct.log(step, metrics)


def whole_number(what: str, value: Any) -> int:
    """`value` as an int; LotteryError naming `what` where it is no whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise LotteryError(f"{what} is {value!r}: give a whole number") from error


def number(what: str, value: Any) -> float:
    """`value`, a number of Python, NumPy or torch, as a float; LotteryError naming `what` where it is none."""
    single = not isinstance(value, (str, bytes, bool)) and getattr(value, "numel", lambda: 1)() == 1
    try:
        return float(value.item() if hasattr(value, "item") else value) if single else float("")
    except (TypeError, ValueError, RuntimeError) as error:
        raise LotteryError(f"{what} is {kind_of(value)}: give a number, such as loss.item()") from error
