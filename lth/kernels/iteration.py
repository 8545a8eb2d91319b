"""Iterations of a chain of sparse linear layers in one compiled function: batch, products, loss, optimiser.

The units of the network are numbered, those of the input first; `bounds` holds where each layer begins, and the end.
Activations and their gradients are float32 and flat, of units x width with the examples innermost; `width` is the batch
size rounded up to whole vectors. The columns left over hold zeros in the input, and the loss gives them no gradient.
`ptr`, `starts` and `places` are those of `lth.kernels.chain.Links`.
"""

from typing import Any

import numpy as np

from lth.kernels.compiled import compiled
from lth.kernels.passes import channel_sums
from lth.kernels.vectors import dot_rows, gather_row

ADAM, ADAMW, SGD = range(3)
TILE = 64
"""Columns that are taken at once."""

_gather_8, _gather_4, _gather_2, _gather_1 = (gather_row(count) for count in (8, 4, 2, 1))
_dots_8, _dots_1 = (dot_rows(count, rest=False) for count in (8, 1))


@compiled
def take_examples(x: Any, images: Any, examples: Any, width: int) -> None:
    """Copies the rows `examples` of `images` (N, inputs) into the columns of `x`, eight at a time."""
    count, inputs = examples.shape[0], images.shape[1]
    even = count - count % 8
    for done in range(0, even, 8):
        r0, r1 = images[examples[done]], images[examples[done + 1]]
        r2, r3 = images[examples[done + 2]], images[examples[done + 3]]
        r4, r5 = images[examples[done + 4]], images[examples[done + 5]]
        r6, r7 = images[examples[done + 6]], images[examples[done + 7]]
        for unit in range(inputs):
            at = unit * width + done
            x[at], x[at + 1], x[at + 2], x[at + 3] = r0[unit], r1[unit], r2[unit], r3[unit]
            x[at + 4], x[at + 5], x[at + 6], x[at + 7] = r4[unit], r5[unit], r6[unit], r7[unit]
    for column in range(even, count):
        row = images[examples[column]]
        for unit in range(inputs):
            x[unit * width + column] = row[unit]


@compiled
def gather_units(
    x: Any, values: Any, biases: Any, ptr: Any, starts: Any, inputs: int, first: int, last: int, width: int
) -> None:
    """x[u] = biases[u - inputs] + sum over the entries p of u of values[p] * x[starts[p]], for first <= u < last."""
    done = 0
    while done < width:
        left = width - done
        for unit in range(first, last):
            at, bias, p, end = unit * width + done, biases[unit - inputs], ptr[unit], ptr[unit + 1]
            if left >= 64:
                _gather_8(x, at, bias, values, x, starts, 0, width, done, 56, p, end)
            elif left >= 32:
                _gather_4(x, at, bias, values, x, starts, 0, width, done, 24, p, end)
            elif left >= 16:
                _gather_2(x, at, bias, values, x, starts, 0, width, done, 8, p, end)
            else:
                _gather_1(x, at, bias, values, x, starts, 0, width, done, 0, p, end)
        done += 64 if left >= 64 else 32 if left >= 32 else 16 if left >= 16 else 8


@compiled
def rectify(x: Any) -> None:
    """ReLU in place; NaN stays NaN. A product takes no branch, which the processor would often predict wrongly."""
    for n in range(len(x)):
        x[n] *= np.float32(x[n] > 0)


@compiled
def rectify_gradient(gradient: Any, x: Any) -> None:
    """The gradient of the input of a ReLU, in place of that of its output `x`."""
    for n in range(len(x)):
        gradient[n] *= np.float32(x[n] > 0)


@compiled
def forward(x: Any, weights: Any, biases: Any, ptr: Any, starts: Any, bounds: Any, width: int) -> None:
    """Fills the activations `x` from those of the input; there is a ReLU after every layer but the last."""
    layers = len(bounds) - 1
    for layer in range(1, layers):
        first, last = bounds[layer], bounds[layer + 1]
        gather_units(x, weights, biases, ptr, starts, bounds[1], first, last, width)
        if layer < layers - 1:
            rectify(x[first * width : last * width])


@compiled
def cross_entropy(dx: Any, x: Any, labels: Any, first: int, last: int, width: int) -> Any:
    """The mean cross-entropy in nats of the outputs, the units `first` to `last` - 1 of `x`; their gradient in `dx`."""
    count = len(labels)
    share = np.float32(1 / count)
    total = 0.0
    for column in range(count):
        largest = x[first * width + column]
        for unit in range(first + 1, last):
            output = x[unit * width + column]
            if not output <= largest:  # which NaN is not, so that it stays
                largest = output
        normalizer = np.float32(0)
        for unit in range(first, last):
            exponential = np.exp(x[unit * width + column] - largest)
            dx[unit * width + column] = exponential
            normalizer += exponential
        scale = share / normalizer
        for unit in range(first, last):
            dx[unit * width + column] *= scale
        right = (first + labels[column]) * width + column
        dx[right] -= share
        total += np.log(normalizer) + largest - x[right]
    return total / count


@compiled
def sum_products(
    gradients: Any, dx: Any, x: Any, ptr: Any, starts: Any, places: Any, first: int, last: int, width: int,
    begin: int, length: int,
) -> None:  # fmt: skip
    """The gradients of the weights into the units `first` to `last` - 1, of `length` columns from `begin` on."""
    for unit in range(first, last):
        at, p, end = unit * width + begin, ptr[unit], ptr[unit + 1]
        while p + 8 <= end:
            _dots_8(gradients, places, p, dx, at, x, starts, 0, width, begin, length)
            p += 8
        while p < end:
            _dots_1(gradients, places, p, dx, at, x, starts, 0, width, begin, length)
            p += 1


@compiled
def backward(
    gradients: Any, bias_gradients: Any, dx: Any, x: Any, turned: Any, more: Any, zeros: Any,
    ptr: Any, starts: Any, places: Any, back_ptr: Any, back_starts: Any, bounds: Any, width: int,
) -> None:  # fmt: skip
    """Fills the gradients of weights and biases, and of the activations `dx` from those of the outputs.

    turned: the weights in the order of the links back. more: as large as `gradients`, to work with.
    """
    for layer in range(len(bounds) - 2, 0, -1):
        first, last = bounds[layer], bounds[layer + 1]
        channel_sums(dx[first * width : last * width], bias_gradients[first - bounds[1] : last - bounds[1]])
        sum_products(gradients, dx, x, ptr, starts, places, first, last, width, 0, min(width, TILE))
        for begin in range(TILE, width, TILE):  # so that the columns of all units stay in the second cache
            sum_products(more, dx, x, ptr, starts, places, first, last, width, begin, min(width - begin, TILE))
            for p in range(ptr[first], ptr[last]):
                gradients[p] += more[p]
        if layer > 1:
            before = bounds[layer - 1]
            gather_units(dx, turned, zeros, back_ptr, back_starts, bounds[1], before, first, width)
            rectify_gradient(dx[before * width : first * width], x[before * width : first * width])


@compiled
def update(
    kind: int, w: Any, g: Any, m: Any, v: Any, rate: float, momentum: float, nesterov: bool, decay: float, count: int,
    beta1: float, beta2: float,
) -> None:  # fmt: skip
    """One step of torch's Adam, AdamW or SGD (`kind`), the one of number `count`, on flat arrays.

    m: Adam's first moment, or SGD's momentum. v: Adam's second moment.
    """
    one, shrink, added = np.float32(1), np.float32(1), np.float32(decay)
    if kind == SGD:
        keep, size = np.float32(momentum), np.float32(rate)
        for n in range(len(w)):
            gradient = g[n] + added * w[n]
            m[n] = keep * m[n] + gradient
            w[n] -= size * (gradient + keep * m[n] if nesterov else m[n])
        return
    if kind == ADAMW:
        shrink, added = np.float32(1 - rate * decay), np.float32(0)
    first, second, least = np.float32(1 - beta1), np.float32(beta2), np.float32(1e-8)
    size = np.float32(rate / (1 - beta1**count))
    root = np.float32(1 / np.sqrt(1 - beta2**count))
    for n in range(len(w)):
        weight = w[n] * shrink
        gradient = g[n] + added * weight
        m[n] += (gradient - m[n]) * first
        v[n] = second * v[n] + (one - second) * gradient * gradient
        w[n] = weight - size * m[n] / (np.sqrt(v[n]) * root + least)


@compiled
def iterate(
    total: Any, images: Any, labels: Any, examples: Any, rates: Any, count: int,
    x: Any, dx: Any, w: Any, g: Any, m: Any, v: Any, turned: Any, more: Any, zeros: Any,
    ptr: Any, starts: Any, places: Any, back_ptr: Any, back_starts: Any, back_places: Any, bounds: Any, width: int,
    kind: int, momentum: float, nesterov: bool, decay: float, bias_decay: float, beta1: float, beta2: float,
) -> None:  # fmt: skip
    """An iteration for each row of `examples` (steps, batch), at `rates` (steps,), after `count` steps before.

    The mean loss of each batch, before its step, is added to total[0]. w, g, m, v: weights, then biases.
    """
    kept = len(places)
    first, last = bounds[len(bounds) - 2], bounds[len(bounds) - 1]
    for step in range(len(examples)):
        take_examples(x, images, examples[step], width)
        forward(x, w[:kept], w[kept:], ptr, starts, bounds, width)
        total[0] += cross_entropy(dx, x, labels[examples[step]], first, last, width)
        for p in range(len(back_places)):
            turned[p] = w[back_places[p]]
        backward(
            g[:kept], g[kept:], dx, x, turned, more, zeros, ptr, starts, places, back_ptr, back_starts, bounds, width
        )
        number, rate = count + step + 1, rates[step]
        update(kind, w[:kept], g[:kept], m[:kept], v[:kept], rate, momentum, nesterov, decay, number, beta1, beta2)
        update(kind, w[kept:], g[kept:], m[kept:], v[kept:], rate, momentum, nesterov, bias_decay, number, beta1, beta2)


@compiled
def outputs(
    out: Any, images: Any, x: Any, w: Any, ptr: Any, starts: Any, places: Any, bounds: Any, width: int
) -> None:  # fmt: skip
    """Fills `out` (N, classes) with the outputs for `images` (N, inputs), `width` of them at a time."""
    kept, first = len(places), bounds[len(bounds) - 2]
    for done in range(0, len(images), width):
        here = images[done : done + width]
        take_examples(x, here, np.arange(len(here)), width)
        forward(x, w[:kept], w[kept:], ptr, starts, bounds, width)
        for column in range(len(here)):
            for unit in range(out.shape[1]):
                out[done + column, unit] = x[(first + unit) * width + column]
