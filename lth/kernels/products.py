"""The two products of a layer with sparse weights: a gather (outputs, gradient of the input) and the weights' gradient.

Tensors are float32 and flat, of channels x rows x columns x batch with the batch innermost. What `Lists.arguments()` of
lth.kernels.structure gives says where the kept weights are; a linear layer is a convolution of one position.
"""

from typing import Any

import numpy as np

from lth.kernels.compiled import compiled
from lth.kernels.vectors import WIDTH, dot_rows, gather_row, stream_rows

_gather_8, _gather_4, _gather_2, _gather_1 = (gather_row(count) for count in (8, 4, 2, 1))
_stream_8, _stream_4, _stream_2, _stream_1 = (stream_rows(count) for count in (8, 4, 2, 1))
_dots_8, _dots_4, _dots_2, _dots_1 = (dot_rows(count, rest=False) for count in (8, 4, 2, 1))
_dots_rest_8, _dots_rest_2, _dots_rest_1 = (dot_rows(count, rest=True) for count in (8, 2, 1))
_LONG = 16 * WIDTH
"""Elements of a run from which on few rows are read at a time, but far: the processor reads them ahead."""
_CHUNK = 128 * WIDTH
"""Elements of a run in the weights' gradient: those of an output channel stay in the first cache for its weights."""


@compiled
def gather(
    out: Any, x: Any, bias: Any, values: Any, lists: Any, rows: Any, segments: Any,
    ptr: Any, starts: Any, places: Any, sizes: Any, batch: int,
) -> None:  # fmt: skip
    """out[o] = bias[o] + sum over the kept weights of o of weight * the input that it sees."""
    height, width, x_width = sizes[1], sizes[2], sizes[3]
    ordered = values[places]
    for i in range(height):
        for s in range(segments.shape[0]):
            group, j, count, step, column, x_step = segments[s]
            bounds = ptr[lists[rows[i, 0], group]]
            at = (i * width + j) * batch
            base = rows[i, 1] * x_width + column
            if step == 1 and x_step == 1:
                _gather_run(out, x, bias, ordered, bounds, starts, at, base, count * batch, height * width, batch)
            else:
                for run in range(count):
                    there, below = at + run * step * batch, base + run * x_step
                    _gather_run(out, x, bias, ordered, bounds, starts, there, below, batch, height * width, batch)


@compiled
def _gather_run(
    out: Any, x: Any, bias: Any, values: Any, bounds: Any, starts: Any,
    at: int, base: int, length: int, positions: int, batch: int,
) -> None:  # fmt: skip
    """`length` consecutive elements of each channel, 64 at a time for all channels: their inputs stay in the cache.

    The last 64, or less where there are less, overlap the ones before.
    """
    done, filters, plane = 0, len(bounds) - 1, positions * batch
    long = _LONG if positions > 1 else 2 * _LONG
    while length - done >= long:
        vectors = min(length - done, _CHUNK) // WIDTH
        for o in range(filters):
            _stream(
                out,
                o * plane + at + done,
                bias[o],
                values,
                bounds[o],
                bounds[o + 1],
                x,
                starts,
                base,
                batch,
                done,
                vectors,
            )
        done += vectors * WIDTH
    while done < length:
        left = length - done
        if left < 64 <= length and left > 56:
            done = length - 64
            left = 64
        for o in range(filters):
            here, b, p, e = o * plane + at + done, bias[o], bounds[o], bounds[o + 1]
            if left > 56:
                _gather_8(out, here, b, values, x, starts, base, batch, done, min(56, left - 8), p, e)
            elif left > 24:
                _gather_4(out, here, b, values, x, starts, base, batch, done, min(24, left - 8), p, e)
            elif left > 8:
                _gather_2(out, here, b, values, x, starts, base, batch, done, min(8, left - 8), p, e)
            elif length >= 8:
                back = done + left - 8
                _gather_1(out, here + left - 8, b, values, x, starts, base, batch, back, 0, p, e)
            else:
                for k in range(length):
                    total = b
                    for entry in range(p, e):
                        total += values[entry] * x[(starts[entry] + base) * batch + k]
                    out[here + k] = total
        done += 64 if left > 56 else 32 if left > 24 else 16 if left > 8 else 8


@compiled
def _stream(
    out: Any, at: int, bias: Any, values: Any, first: int, last: int, x: Any, starts: Any,
    base: int, batch: int, shift: int, vectors: int,
) -> None:  # fmt: skip
    """`vectors` vectors of one channel, over which its entries go, eight at a time: long rows are read ahead."""
    p, begins = first, 1
    while p + 8 <= last:
        _stream_8(out, at, bias, values, x, starts, base, batch, shift, p, vectors, begins)
        p, begins = p + 8, 0
    if p + 4 <= last:
        _stream_4(out, at, bias, values, x, starts, base, batch, shift, p, vectors, begins)
        p, begins = p + 4, 0
    if p + 2 <= last:
        _stream_2(out, at, bias, values, x, starts, base, batch, shift, p, vectors, begins)
        p, begins = p + 2, 0
    if p < last:
        _stream_1(out, at, bias, values, x, starts, base, batch, shift, p, vectors, begins)
        begins = 0
    if begins:
        out[at : at + vectors * WIDTH] = bias


@compiled
def weight_gradient(
    gradient: Any, dy: Any, x: Any, lists: Any, rows: Any, segments: Any,
    ptr: Any, starts: Any, places: Any, sizes: Any, batch: int,
) -> None:  # fmt: skip
    """gradient[places[p]] = sum over positions and batch of dy * the input that the kept weight sees.

    A float32 sum over many thousand elements would be off by 1e-5: sums of runs are added in float64.
    """
    height, width, x_width = sizes[1], sizes[2], sizes[3]
    if height * width == 1 and batch <= _CHUNK and len(places) == len(gradient):  # in the order of the weights
        base = rows[0, 1] * x_width + segments[0, 4]
        gradient[:] = 0
        _dots_run(gradient, dy, x, ptr[0], starts, places, 0, base, 0, batch, 1, batch)
        return
    totals = np.zeros(len(gradient), np.float64)
    for i in range(height):
        for s in range(segments.shape[0]):
            group, j, count, step, column, x_step = segments[s]
            bounds = ptr[lists[rows[i, 0], group]]
            at = (i * width + j) * batch
            base = rows[i, 1] * x_width + column
            if step == 1 and x_step == 1:
                for done in range(0, count * batch, _CHUNK):
                    left = min(count * batch - done, _CHUNK)
                    _dots_run(totals, dy, x, bounds, starts, places, at, base, done, left, height * width, batch)
            else:
                for run in range(count):
                    there, below = at + run * step * batch, base + run * x_step
                    for done in range(0, batch, _CHUNK):
                        left = min(batch - done, _CHUNK)
                        _dots_run(
                            totals, dy, x, bounds, starts, places, there, below, done, left, height * width, batch
                        )
    gradient[:] = totals


@compiled
def _dots_run(
    gradient: Any, dy: Any, x: Any, bounds: Any, starts: Any, places: Any,
    at: int, base: int, done: int, length: int, positions: int, batch: int,
) -> None:  # fmt: skip
    """The part of the weights' gradient that `length` consecutive elements of each channel give."""
    plane, rest = positions * batch, length % WIDTH > 0
    for o in range(len(bounds) - 1):
        p, last, here = bounds[o], bounds[o + 1], o * plane + at + done
        if length < WIDTH:
            for entry in range(p, last):
                row = (starts[entry] + base) * batch + done
                total = np.float32(0)
                for k in range(length):
                    total += dy[here + k] * x[row + k]
                gradient[places[entry]] += total
            continue
        while p + 8 <= last:
            if rest:
                _dots_rest_8(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            else:
                _dots_8(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            p += 8
        if p + 4 <= last and not rest:
            _dots_4(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            p += 4
        while p + 2 <= last:
            if rest:
                _dots_rest_2(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            else:
                _dots_2(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            p += 2
        if p < last:
            if rest:
                _dots_rest_1(gradient, places, p, dy, here, x, starts, base, batch, done, length)
            else:
                _dots_1(gradient, places, p, dy, here, x, starts, base, batch, done, length)
