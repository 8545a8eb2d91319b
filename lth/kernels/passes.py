"""What a network does between its products, on flat tensors with the batch innermost: each channel is one long run.

A channel goes through all passes of a function before the next one is begun, so that it is read from the cache.
"""

from typing import Any

import numpy as np

from lth.kernels.compiled import compiled

_PART = 4096
"""Elements that are summed in float32; parts are added in float64."""


@compiled
def transpose(rows: Any, columns: Any) -> None:
    """columns (features, batch) from rows (batch, features): eight rows at a time, which fill a vector each."""
    batch, features = rows.shape
    b = 0
    while b + 8 <= batch:
        r0, r1, r2, r3 = rows[b], rows[b + 1], rows[b + 2], rows[b + 3]
        r4, r5, r6, r7 = rows[b + 4], rows[b + 5], rows[b + 6], rows[b + 7]
        for j in range(features):
            column = columns[j]
            column[b], column[b + 1], column[b + 2], column[b + 3] = r0[j], r1[j], r2[j], r3[j]
            column[b + 4], column[b + 5], column[b + 6], column[b + 7] = r4[j], r5[j], r6[j], r7[j]
        b += 8
    while b < batch:
        for j in range(features):
            columns[j, b] = rows[b, j]
        b += 1


@compiled
def channel_sums(x: Any, sums: Any) -> None:
    """sums[c] = the sum of the channel c of x."""
    plane = len(x) // max(1, len(sums))
    for c in range(len(sums)):
        sums[c] = _sum(x[c * plane : (c + 1) * plane])


@compiled
def _sum(x: Any) -> Any:
    total = np.float64(0)
    for start in range(0, len(x), _PART):
        part = np.float32(0)
        values = x[start : start + _PART]
        for k in range(len(values)):
            part += values[k]
        total += part
    return total


@compiled
def _moments(x: Any) -> Any:
    """(mean, biased variance), in one pass: about a center near the mean, so that nothing large is subtracted."""
    center = np.float32(_sum(x[:_PART]) / max(1, len(x[:_PART])))
    total, squares = np.float64(0), np.float64(0)
    for start in range(0, len(x), _PART):
        part, square_part = np.float32(0), np.float32(0)
        values = x[start : start + _PART]
        for k in range(len(values)):
            distance = values[k] - center
            part += distance
            square_part += distance * distance
        total += part
        squares += square_part
    shift = total / len(x)
    return center + shift, max(0.0, squares / len(x) - shift * shift)


@compiled
def _signal_sums(dy: Any, x: Any, center: Any) -> Any:
    """(sum of dy, sum of dy * (x - center)) of one part."""
    total, product = np.float32(0), np.float32(0)
    for k in range(len(x)):
        total += dy[k]
        product += dy[k] * (x[k] - center)
    return total, product


@compiled
def _masked_sums(dy: Any, out: Any, x: Any, center: Any, signal: Any) -> Any:
    """The same of the gradient of the inputs of a ReLU, which gave `out`; that gradient in `signal`."""
    total, product = np.float32(0), np.float32(0)
    for k in range(len(x)):
        value = dy[k]
        value = np.float32(0) if out[k] <= np.float32(0) else value
        signal[k] = value
        total += value
        product += value * (x[k] - center)
    return total, product


@compiled
def _scale(x: Any, factor: Any, shift: Any, out: Any) -> None:
    for k in range(len(x)):
        out[k] = x[k] * factor + shift


@compiled
def _scale_add(x: Any, factor: Any, shift: Any, added: Any, out: Any) -> None:
    for k in range(len(x)):
        out[k] = x[k] * factor + shift + added[k]


@compiled
def _scale_rectify(x: Any, factor: Any, shift: Any, out: Any) -> None:
    """Negative values become 0; NaN stays."""
    for k in range(len(x)):
        value = x[k] * factor + shift
        out[k] = np.float32(0) if value < np.float32(0) else value


@compiled
def _scale_add_rectify(x: Any, factor: Any, shift: Any, added: Any, out: Any) -> None:
    for k in range(len(x)):
        value = x[k] * factor + shift + added[k]
        out[k] = np.float32(0) if value < np.float32(0) else value


@compiled
def _combine(signal: Any, x: Any, factor: Any, slope: Any, shift: Any, dx: Any) -> None:
    for k in range(len(x)):
        dx[k] = signal[k] * factor - x[k] * slope + shift


@compiled
def _combine_in_place(dx: Any, x: Any, factor: Any, slope: Any, shift: Any) -> None:
    """With one array for both, for loops over arrays that overlap are not made of vectors."""
    for k in range(len(x)):
        dx[k] = dx[k] * factor - x[k] * slope + shift


@compiled
def normalize(
    x: Any, added: Any, out: Any, means: Any, scales: Any, weight: Any, bias: Any,
    running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float, rectified: bool,
) -> None:  # fmt: skip
    """BatchNorm, plus `added` where that is not empty, through a ReLU where `rectified`.

    means, scales: get the mean and 1 / sqrt(variance + eps) of each channel. training: they are those of x, and the
    running ones, where they are not empty, go `momentum` of the way to them, with the unbiased variance.
    """
    plane = len(x) // len(means)
    for c in range(len(means)):
        channel, result = x[c * plane : (c + 1) * plane], out[c * plane : (c + 1) * plane]
        if training:
            mean, variance = _moments(channel)
            if len(running_mean):
                running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
                running_var[c] = (1 - momentum) * running_var[c] + momentum * variance * plane / (plane - 1)
        else:
            mean, variance = np.float64(running_mean[c]), np.float64(running_var[c])
        means[c], scales[c] = mean, 1 / np.sqrt(variance + eps)
        factor = weight[c] / np.sqrt(variance + eps)
        slope, shift = np.float32(factor), np.float32(bias[c] - mean * factor)
        if len(added):
            more = added[c * plane : (c + 1) * plane]
            if rectified:
                _scale_add_rectify(channel, slope, shift, more, result)
            else:
                _scale_add(channel, slope, shift, more, result)
        elif rectified:
            _scale_rectify(channel, slope, shift, result)
        else:
            _scale(channel, slope, shift, result)


@compiled
def normalize_gradient(
    dy: Any, out: Any, x: Any, dx: Any, added: Any, means: Any, scales: Any, weight: Any,
    weight_gradient: Any, bias_gradient: Any, training: bool,
) -> None:  # fmt: skip
    """Gradients of `normalize`: dx, and `added` where it is not empty.

    out: what `normalize` gave, where it was rectified, else empty. weight_gradient, bias_gradient: (channels,).
    """
    plane = len(x) // len(means)
    for c in range(len(means)):
        total, product = 0.0, 0.0
        for start in range(c * plane, (c + 1) * plane, _PART):
            end = min(start + _PART, (c + 1) * plane)
            if len(out):
                signal = added[start:end] if len(added) else dx[start:end]
                sums = _masked_sums(dy[start:end], out[start:end], x[start:end], means[c], signal)
            else:
                sums = _signal_sums(dy[start:end], x[start:end], means[c])
            total += sums[0]
            product += sums[1]
        weight_gradient[c], bias_gradient[c] = product * scales[c], total
        factor = weight[c] * scales[c]
        slope, shift = np.float64(0), np.float64(0)
        if training:
            slope = factor * product / plane * scales[c] * scales[c]
            shift = slope * means[c] - factor * total / plane
        channel, result = x[c * plane : (c + 1) * plane], dx[c * plane : (c + 1) * plane]
        if len(out) and not len(added):
            _combine_in_place(result, channel, np.float32(factor), np.float32(slope), np.float32(shift))
        else:
            signals = (added if len(added) else dy)[c * plane : (c + 1) * plane]
            _combine(signals, channel, np.float32(factor), np.float32(slope), np.float32(shift), result)


@compiled
def max_pool(x: Any, out: Any, taken: Any, height: int, width: int, kernel: Any, stride: Any, padding: Any) -> None:
    """out, taken (channels, rows, columns, batch): the largest of each window of x, and the number of its tap.

    x: (channels, height, width, batch). Of equal ones the first is taken, and a NaN goes before all, as in torch.
    """
    channels, rows, columns, batch = out.shape
    for c in range(channels):
        for i in range(rows):
            for j in range(columns):
                best, tap = out[c, i, j], taken[c, i, j]
                first = True
                for a in range(kernel[0]):
                    row = i * stride[0] + a - padding[0]
                    for b in range(kernel[1]):
                        column = j * stride[1] + b - padding[1]
                        if row < 0 or row >= height or column < 0 or column >= width:
                            continue
                        values, number = x[c, row, column], np.uint8(a * kernel[1] + b)
                        if first:
                            for n in range(batch):
                                best[n], tap[n] = values[n], number
                            first = False
                        else:
                            for n in range(batch):
                                larger = values[n] > best[n] or values[n] != values[n]
                                best[n] = values[n] if larger else best[n]
                                tap[n] = number if larger else tap[n]


@compiled
def max_pool_gradient(
    dy: Any, taken: Any, dx: Any, height: int, width: int, kernel: Any, stride: Any, padding: Any
) -> None:
    """dx (channels, height, width, batch): each gradient goes to what was taken."""
    channels, rows, columns, batch = dy.shape
    dx[:] = 0
    zero = np.float32(0)
    for c in range(channels):
        for i in range(rows):
            for j in range(columns):
                signal, tap = dy[c, i, j], taken[c, i, j]
                for a in range(kernel[0]):
                    row = i * stride[0] + a - padding[0]
                    for b in range(kernel[1]):
                        column = j * stride[1] + b - padding[1]
                        if row < 0 or row >= height or column < 0 or column >= width:
                            continue
                        target, number = dx[c, row, column], np.uint8(a * kernel[1] + b)
                        for n in range(batch):
                            target[n] += signal[n] if tap[n] == number else zero
