"""Scores of weights alone: of the trained weights, of the initial ones, or of both.

Zhou et al. 2019, "Deconstructing Lottery Tickets", section 3, and its code: wf is the final weight, wi the initial one.
The variants `same_sign` and `diff_sign` are 0 where the sign changed or stayed: the lowest score, since the others are
not negative (except in `magnitude_increase_same_sign`).
"""

import torch
from torch import Tensor

from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.scores.registry import Scores, score


@score
def magnitude(inputs: ScoreInputs) -> Scores:
    """|w| (Han et al. 2015; the score of Frankle & Carbin 2019); of trained weights Zhou et al.'s `large_final`."""
    return {name: weight.abs() for name, weight in inputs.weights.items()}


@score
def large_final(inputs: ScoreInputs) -> Scores:
    """|wf|: `magnitude` by the name of Zhou et al. 2019."""
    return magnitude(inputs)


@score
def random(inputs: ScoreInputs) -> Scores:
    """A uniform draw: which weights stay is random, how many is not."""
    return {name: torch.rand(weight.shape, generator=inputs.generator) for name, weight in inputs.weights.items()}


@score
def small_final(inputs: ScoreInputs) -> Scores:
    """-|wf|."""
    return {name: -weight.abs() for name, weight in inputs.weights.items()}


@score(needs=["initial"])
def large_init(inputs: ScoreInputs) -> Scores:
    """|wi|."""
    return inputs.compared(lambda wf, wi: wi.abs())


@score(needs=["initial"])
def small_init(inputs: ScoreInputs) -> Scores:
    """-|wi|."""
    return inputs.compared(lambda wf, wi: -wi.abs())


@score(needs=["initial"])
def large_init_large_final(inputs: ScoreInputs) -> Scores:
    """min(a |wf|, |wi|), where a aligns percentiles: high for weights of a high rank both before and after training.

    As in the authors' code, the weights above one percentile of both stay, the percentile that leaves the given count.
    """
    return inputs.compared(lambda wf, wi: torch.minimum(_aligned(wf, wi), wi.abs()))


@score(needs=["initial"])
def small_init_small_final(inputs: ScoreInputs) -> Scores:
    """-max(a |wf|, |wi|), with a as in `large_init_large_final`."""
    return inputs.compared(lambda wf, wi: -torch.maximum(_aligned(wf, wi), wi.abs()))


@score(needs=["initial"])
def magnitude_increase(inputs: ScoreInputs) -> Scores:
    """|wf| - |wi|."""
    return inputs.compared(lambda wf, wi: wf.abs() - wi.abs())


@score(needs=["initial"])
def movement(inputs: ScoreInputs) -> Scores:
    """|wf - wi|: how far a weight moved, in either direction (Zhou et al. 2019)."""
    return inputs.compared(lambda wf, wi: (wf - wi).abs())


@score(needs=["initial"])
def movement_away(inputs: ScoreInputs) -> Scores:
    """(wf^2 - wi^2) / 2: how far a weight moved away from zero (movement pruning, Sanh et al. 2020).

    Their score is -w * gradient, summed over the steps. Under plain SGD a step moves w by -rate * gradient, so that the
    sum times the rate is the sum of w dw: for small steps, the integral from wi to wf.
    """
    return inputs.compared(lambda wf, wi: (wf.square() - wi.square()) / 2)


@score(needs=["initial"])
def large_final_same_sign(inputs: ScoreInputs) -> Scores:
    """|wf|, or 0 where the sign changed: max(0, wi wf / |wi|)."""
    return inputs.compared(lambda wf, wi: _same_sign(wf.abs(), wf, wi))


@score(needs=["initial"])
def large_final_diff_sign(inputs: ScoreInputs) -> Scores:
    """|wf|, or 0 where the sign stayed: the control of `large_final_same_sign`."""
    return inputs.compared(lambda wf, wi: _same_sign(wf.abs(), wf, -wi))


@score(needs=["initial"])
def large_init_same_sign(inputs: ScoreInputs) -> Scores:
    """|wi|, or 0 where the sign changed."""
    return inputs.compared(lambda wf, wi: _same_sign(wi.abs(), wf, wi))


@score(needs=["initial"])
def large_init_large_final_same_sign(inputs: ScoreInputs) -> Scores:
    """min(a |wf|, |wi|), or 0 where the sign changed."""
    return inputs.compared(lambda wf, wi: _same_sign(torch.minimum(_aligned(wf, wi), wi.abs()), wf, wi))


@score(needs=["initial"])
def magnitude_increase_same_sign(inputs: ScoreInputs) -> Scores:
    """|wf| - |wi|, or 0 where the sign changed: those rank above weights that shrank, as in the authors' code."""
    return inputs.compared(lambda wf, wi: _same_sign(wf.abs() - wi.abs(), wf, wi))


@score(needs=["initial"])
def movement_same_sign(inputs: ScoreInputs) -> Scores:
    """|wf - wi|, or 0 where the sign changed."""
    return inputs.compared(lambda wf, wi: _same_sign((wf - wi).abs(), wf, wi))


def _aligned(wf: Tensor, wi: Tensor) -> Tensor:
    """For each weight, the |wi| that has the rank of its |wf| in the layer; pruned weights are zero in both."""
    ranks = wf.abs().flatten().argsort(stable=True).argsort()
    return wi.abs().flatten().sort().values[ranks].reshape(wi.shape)


def _same_sign(values: Tensor, wf: Tensor, wi: Tensor) -> Tensor:
    return torch.where(wf.sign() == wi.sign(), values, 0)
