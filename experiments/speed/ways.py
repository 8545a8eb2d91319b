"""The ways of training that are timed beside each other, in the order of their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.core.keeping import copied
from lth.training.kernels import choose
from lth.training.run_spec import RunSpec

from . import peers
from .blocks import Blocks, timed, trained
from .floor import floor
from .usual import Examples, Usual

OURS, SPARSE, DENSE, USUAL, PEER, FLOOR = "ours", "ours_sparse", "ours_dense", "usual", "sparselab", "floor"
FEWER = 5
"""The usual way runs so many times fewer iterations in a block: it is slow, and no block need be long for it."""


@dataclass(frozen=True)
class Case:
    """What is timed: a training of ours, the usual way's data, and the iterations of a block."""

    spec: RunSpec
    dataset: Examples
    iterations: int


@dataclass(frozen=True)
class Way:
    """A way of training: what it is, whether it can train a case, and its blocks."""

    meaning: str
    blocks: Callable[[Case], Blocks]
    fits: Callable[[RunSpec], bool] = lambda spec: True


def ours(kernels: str) -> Callable[[Case], Blocks]:
    """The blocks of our training with `kernels`."""
    return lambda case: trained(with_kernels(case.spec, kernels), case.iterations)


def with_kernels(spec: RunSpec, kernels: str) -> RunSpec:
    """`spec` with `kernels`, of a network of its own."""
    return replace(spec, model=copied(spec.model), plan=replace(spec.plan, kernels=kernels))


def can_be_sparse(spec: RunSpec) -> bool:
    """Whether a weight of `spec` is pruned, so that there is something to skip, and this machine has kernels for it."""
    try:
        return bool(choose(with_kernels(spec, "sparse")))
    except SettingError:
        return False


COMPARED = ((OURS, DENSE), (SPARSE, DENSE), (USUAL, OURS), (PEER, OURS), (OURS, FLOOR), (DENSE, FLOOR))
"""The pairs of ways whose times are divided."""
WAYS: Mapping[str, Way] = {
    OURS: Way("our training, for each layer the kernel that is faster", ours("auto")),
    SPARSE: Way("our training with sparse kernels alone", ours("sparse"), can_be_sparse),
    DENSE: Way("our training with dense kernels, masked", ours("dense")),
    USUAL: Way(
        "torchvision's data set, a DataLoader in the same process, masks by multiplication after every step",
        lambda case: timed(
            Usual(case.spec, copied(case.spec.model), case.dataset).steps(), max(1, case.iterations // FEWER)
        ),
    ),
    PEER: Way(
        "the sparse layers of SparseLab, where it is installed and the network has linear layers alone",
        lambda case: timed(peers.peer_steps(case.spec, peers.sparse_network(case.spec)), case.iterations),
        peers.fits,
    ),
    FLOOR: Way(
        "the matrix products and convolutions of an iteration alone, dense",
        lambda case: timed(floor(case.spec), case.iterations),
    ),
}


def blocks_of(case: Case) -> dict[str, Blocks]:
    """Way -> its blocks, for the ways that can train `case`."""
    return {name: way.blocks(case) for name, way in WAYS.items() if way.fits(case.spec)}
