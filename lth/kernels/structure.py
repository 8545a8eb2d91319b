"""Where the kept weights of a layer are, as lists that the products walk through.

Near the border of an image some weights see padding. So positions fall into classes, by row and by column: those of one
class are seen by the same weights, and each pair of classes has its list. Nothing is padded or copied.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Arguments = tuple[Integers, Integers, Integers, Integers, Places, Places, Integers]


@dataclass(frozen=True)
class Geometry:
    """A convolution along one axis: kernel, stride, padding and dilation, and the size of its input.

    >>> Geometry(kernel=3, stride=2, padding=1, dilation=1, inputs=32).outputs
    16
    """

    kernel: int
    stride: int
    padding: int
    dilation: int
    inputs: int

    @property
    def outputs(self) -> int:
        return (self.inputs + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1


ONE = Geometry(kernel=1, stride=1, padding=0, dilation=1, inputs=1)
"""Either axis of a linear layer."""


@dataclass(frozen=True)
class Axis:
    """Classes of the positions along one axis.

    of: the class of each position. base: where each position starts in the other tensor. taps: for each class, tap of
    the kernel -> distance of what it sees from the base; taps that see padding are left out.
    """

    of: list[int]
    base: list[int]
    taps: list[dict[int, int]]

    def segments(self) -> Integers:
        """A row for each run of positions of one class.

        It holds: class, first position, count, step, base of the first, step of the base.
        """
        rows = []
        for number in range(len(self.taps)):
            left = [position for position, group in enumerate(self.of) if group == number]
            while left:
                step = left[1] - left[0] if len(left) > 1 else 1
                count = 1
                while count < len(left) and left[count] - left[count - 1] == step:
                    count += 1
                base_step = self.base[left[1]] - self.base[left[0]] if count > 1 else 1
                rows.append((number, left[0], count, step, self.base[left[0]], base_step))
                left = left[count:]
        return np.array(rows, np.int64).reshape(-1, 6)


def forward_axis(axis: Geometry) -> Axis:
    """For outputs that gather from inputs."""
    bases = [i * axis.stride for i in range(axis.outputs)]
    distances = {k: k * axis.dilation - axis.padding for k in range(axis.kernel)}
    return _classed(bases, ({k: d for k, d in distances.items() if 0 <= base + d < axis.inputs} for base in bases))


def backward_axis(axis: Geometry) -> Axis:
    """For gradients of inputs that gather from gradients of outputs; classes differ by the remainder of the stride."""
    bases = [i // axis.stride for i in range(axis.inputs)]
    return _classed(bases, (_outputs_of(axis, i) for i in range(axis.inputs)))


def _outputs_of(axis: Geometry, position: int) -> dict[int, int]:
    """Tap -> distance of the output that sees the input at `position` through it."""
    taps = {}
    for k in range(axis.kernel):
        output, rest = divmod(position + axis.padding - k * axis.dilation, axis.stride)
        if rest == 0 and 0 <= output < axis.outputs:
            taps[k] = output - position // axis.stride
    return taps


def _classed(bases: list[int], taps: Iterator[dict[int, int]]) -> Axis:
    known: dict[tuple[tuple[int, int], ...], int] = {}
    of = [known.setdefault(tuple(valid.items()), len(known)) for valid in taps]
    return Axis(of, bases, [dict(key) for key in known])


@dataclass(frozen=True)
class Lists:
    """What one product walks through.

    lists: (row classes, column classes) -> number of the list. rows: (rows, 2), class and base of each. segments: those
    of the columns. ptr: (lists, channels + 1), where each channel's entries begin. starts: for each entry, where what
    it sees begins, in positions from the base. places: for each entry, its weight among the kept ones, which are in the
    order of the mask. sizes: channels, rows, columns, and the columns of the other tensor.
    """

    lists: Integers
    rows: Integers
    segments: Integers
    ptr: Integers
    starts: Places
    places: Places
    sizes: Integers

    def arguments(self) -> Arguments:
        """As the compiled products take them."""
        return self.lists, self.rows, self.segments, self.ptr, self.starts, self.places, self.sizes


@dataclass(frozen=True)
class _Weights:
    """The kept weights: the channel that gathers, the channel that is seen, and the tap, of each."""

    gathering: Integers
    sending: Integers
    row_tap: Integers
    column_tap: Integers


def _lists(weights: _Weights, channels: int, axes: tuple[Axis, Axis], other: tuple[int, int]) -> Lists:
    """channels: how many gather. other: rows and columns of the tensor that is seen."""
    order = np.lexsort((weights.column_tap, weights.row_tap, weights.sending, weights.gathering))
    gathering, sending = weights.gathering[order], weights.sending[order]
    row_tap, column_tap = weights.row_tap[order], weights.column_tap[order]
    rows, columns = axes
    numbers = np.arange(len(rows.taps) * len(columns.taps), dtype=np.int64).reshape(len(rows.taps), len(columns.taps))
    ptr, starts, places, entries = [], [], [], 0
    for row_taps in rows.taps:
        row_distance, row_valid = _by_tap(row_taps, row_tap)
        for column_taps in columns.taps:
            column_distance, column_valid = _by_tap(column_taps, column_tap)
            valid = row_valid & column_valid
            start = (sending * other[0] + row_distance) * other[1] + column_distance
            starts.append(start[valid])
            places.append(order[valid])
            ptr.append(entries + np.searchsorted(gathering[valid], np.arange(channels + 1)))
            entries += int(valid.sum())
    return Lists(
        numbers,
        np.array([rows.of, rows.base], np.int64).T.copy(),
        columns.segments(),
        np.array(ptr, np.int64).reshape(-1, channels + 1),
        _joined(starts),
        _joined(places),
        np.array([channels, len(rows.of), len(columns.of), other[1]], np.int64),
    )


def _by_tap(taps: dict[int, int], tap: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """(distance of what each weight sees, whether it sees anything) for the `tap` of each weight."""
    size = int(tap.max(initial=0)) + 1
    distances = np.array([taps.get(k, 0) for k in range(size)], np.int64)
    valid = np.array([k in taps for k in range(size)])
    return distances[tap], valid[tap]


def _joined(parts: Sequence[Integers]) -> Places:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int32)


class Sparse:
    """The kept weights of a layer, as lists for its outputs (`forward`) and the gradient of its inputs (`backward`).

    mask: of shape (outputs, inputs), or that of a convolution over one or two axes. rows, columns: `ONE` for a linear
    layer; a convolution over one axis has it in `columns`.

    >>> layer = Sparse(Tensor([[True, False], [True, True]]), ONE, ONE)
    >>> layer.kept, layer.forward.starts.tolist(), layer.backward.places.tolist()
    (3, [0, 0, 1], [0, 1, 2])
    """

    def __init__(self, mask: Tensor, rows: Geometry, columns: Geometry, groups: int = 1) -> None:
        kernel = mask.shape[2:]
        mask = mask.reshape(*mask.shape[:2], *[1] * (2 - len(kernel)), *kernel)
        o, c, row_tap, column_tap = (axis.cpu().numpy() for axis in mask.nonzero(as_tuple=True))
        filters, channels = mask.shape[0], mask.shape[1] * groups
        c = c + o // max(1, filters // groups) * mask.shape[1]
        self.filters, self.channels, self.rows, self.columns = filters, channels, rows, columns
        self.kept = len(o)
        self.no_shifts, self.no_input_shifts = np.zeros(filters, np.float32), np.zeros(channels, np.float32)
        axes, other = (forward_axis(rows), forward_axis(columns)), (rows.inputs, columns.inputs)
        self.forward = _lists(_Weights(o, c, row_tap, column_tap), filters, axes, other)
        axes, other = (backward_axis(rows), backward_axis(columns)), (rows.outputs, columns.outputs)
        self.backward = _lists(_Weights(c, o, row_tap, column_tap), channels, axes, other)
