"""The probes of lth: where the arms of a level end in weight space, and how alike they are as functions.

All but `level_to_level` compare with the pruned solution of the level: the trained weights that its mask was scored on,
pruned by it and not trained again. Evci et al. 2022 find that a ticket relearns it: it ends nearby, in the same basin
of the loss, with the same predictions. Networks are compared as they are, each under its own mask, with pruned weights
at zero. Between the solution and an arm with another mask (`shuffle`, `scratch`, `set`, `rigl`), the networks on the
line therefore have the weights of both masks.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lth.analysis.columns import distance_columns
from lth.analysis.line import barrier, line
from lth.analysis.probes import LINE_EXAMPLES, PLACE, Probe, ProbeInputs, probe
from lth.core.tables import Column, Row, Table

if TYPE_CHECKING:
    from lth.analysis.lines import Scores
    from lth.analysis.peers import Network

LINES = Table(
    "lines",
    (
        *PLACE,
        Column("split", str, "", "train or test", required=True),
        Column("alpha", float, "", "the place on the line: 0 is the network, 1 the pruned solution", required=True),
        Column("loss", float, "nats", "the mean loss there", finite=False),
        Column("accuracy", float, "0..1", "the accuracy there"),
    ),
    key=("level", "arm", "draw", "split", "alpha"),
    meaning="a network on the straight line from a trained arm to the pruned solution of its level",
    always=False,
)


@probe(
    columns=(
        *distance_columns(
            "distance_to_init",
            "cosine_distance_to_init",
            "L2 distance of the final weights from the masked initial ones",
        ),
        *distance_columns(
            "distance_to_pruned",
            "cosine_distance_to_pruned",
            "L2 distance of the final weights from the pruned solution",
        ),
    )
)
def distance(inputs: ProbeInputs) -> Row:
    """How far the trained weights lie from where they began and from the pruned solution (Evci et al. 2022)."""
    from lth.analysis.geometry import distances_to  # torch, late: reports take the columns alone
    from lth.core.weights import masked

    spec, final = inputs.spec, inputs.result.final
    ends = {"init": masked(spec.initial_state, spec.mask)}
    if inputs.solution is not None:
        ends["pruned"] = inputs.solution
    digest = inputs.peers.solution.digest if inputs.peers.solution else ""
    distances = inputs.remember(f"distance to init and {digest}", lambda: distances_to(spec.model, final, ends))
    row: Row = {}
    for end, measures in distances.items():
        row |= {f"distance_to_{end}": measures["l2"], f"cosine_distance_to_{end}": measures["cosine"]}
    return row


@probe(
    columns=(
        LINE_EXAMPLES,
        Column(
            "train_loss_barrier",
            float,
            "nats",
            "the barrier of the training loss between arm and pruned solution",
            finite=False,
        ),
        Column("train_error_barrier", float, "0..1", "the barrier of the training error", at_least=-1),
        Column("test_loss_barrier", float, "nats", "the barrier of the test loss", finite=False),
        Column("test_error_barrier", float, "0..1", "the barrier of the test error", at_least=-1),
    ),
    tables=(LINES,),
    steps=len(line()),
    evaluates=True,
)
def interpolation(inputs: ProbeInputs) -> Row:
    """Loss and error on the straight line to the pruned solution, and the barriers on it (Evci et al. 2022)."""
    from lth.analysis.lines import Lines, line_rows

    solution = inputs.peers.solution
    if inputs.solution is None or solution is None:
        return {}
    lines, ends = Lines(inputs.data, inputs.examples), (inputs.result.final, inputs.solution)
    name = f"from end to {solution.digest}"
    scores = lines.scores(inputs.peers.model, ends, name, inputs.remember, progress=inputs.progress)
    inputs.record(LINES.name, line_rows(scores))
    return {LINE_EXAMPLES.name: inputs.examples, **barriers(scores)}


@probe(
    columns=(
        Column("disagreement_with_pruned", float, "0..1", "test examples classified unlike the pruned solution"),
        Column("kl_with_pruned", float, "nats", "symmetric KL divergence of the probabilities from its", finite=False),
        Column("disagreement_with_ticket", float, "0..1", "test examples classified unlike the level's ticket"),
        Column("kl_with_ticket", float, "nats", "symmetric KL divergence of the probabilities from its", finite=False),
        Column("disagreement_between_draws", float, "0..1", "the mean disagreement with the arm's other draws"),
        Column("ensemble_accuracy", float, "0..1", "the test accuracy of the ensemble of the arm's draws"),
    ),
    classes=True,
    evaluates=True,
)
def agreement(inputs: ProbeInputs) -> Row:
    """How alike the predictions are to those of the pruned solution, of the ticket, and of the arm's other draws."""
    arms, solution = inputs.peers.arms, inputs.peers.solution
    if inputs.solution is None or solution is None:
        return {}
    draws = arms[inputs.arm]
    network = draws[inputs.draw]
    references = {"pruned": solution}
    if inputs.arm != "ticket" and "ticket" in arms:
        references["ticket"] = arms["ticket"][0]
    row: Row = {}
    for name, reference in references.items():
        key = f"agreement on test with {reference.digest}"
        measures = inputs.remember(key, partial(_compare, network, reference))
        row |= {f"{measure}_with_{name}": value for measure, value in measures.items()}
    others = [other for draw, other in draws.items() if draw != inputs.draw]
    if others:
        key = f"agreement on test with the draws {' '.join(other.digest for other in others)}"
        row |= inputs.remember(key, partial(_compare_draws, network, others, inputs))
    return row


def _to_previous(name: str, unit: str, meaning: str, **how: Any) -> Column:
    return Column(f"{name}_to_previous", float, unit, meaning, added=True, **how)


@probe(
    columns=(
        LINE_EXAMPLES,
        _to_previous(
            "train_loss_barrier",
            "nats",
            "the barrier of the training loss between the ticket and that of the level before",
            finite=False,
        ),
        _to_previous("train_error_barrier", "0..1", "the barrier of the training error between the two", at_least=-1),
        _to_previous("test_loss_barrier", "nats", "the barrier of the test loss between the two", finite=False),
        _to_previous("test_error_barrier", "0..1", "the barrier of the test error between the two", at_least=-1),
        Column(
            "test_accuracy_less_dense",
            float,
            "-1..1",
            "the ticket's test accuracy at the end of training less that of the dense network",
            added=True,
        ),
    ),
    steps=len(line()),
    evaluates=True,
)
def level_to_level(inputs: ProbeInputs) -> Row:
    """The barriers on the straight line between the trained tickets of consecutive levels (Paul et al. 2023)."""
    from lth.analysis.lines import Lines
    from lth.core.weights import digest

    if inputs.arm != "ticket" or inputs.previous is None:
        return {}
    before = inputs.previous.result.final
    lines, ends = Lines(inputs.data, inputs.examples), (inputs.result.final, before)
    name = f"from end to {digest(before)}"
    scores = lines.scores(inputs.peers.model, ends, name, inputs.remember, progress=inputs.progress)
    row: Row = {f"{column}_to_previous": value for column, value in barriers(scores).items()}
    if inputs.dense is not None:
        accuracy, dense = (one.result.points[-1].metrics.get("test_accuracy") for one in (inputs, inputs.dense))
        if accuracy is not None and dense is not None:
            row["test_accuracy_less_dense"] = accuracy - dense
    return {LINE_EXAMPLES.name: inputs.examples, **row}


def barriers(scores: "Scores") -> Mapping[str, float]:
    """The barrier of the loss, and of the error, 0..1, on each split."""
    values = {}
    for split, pairs in scores.items():
        values[f"{split}_loss_barrier"] = barrier(line(), [loss for loss, _ in pairs if loss is not None])
        errors = [1 - accuracy for _, accuracy in pairs if accuracy is not None]
        if errors:  # a task without accuracy has no error
            values[f"{split}_error_barrier"] = barrier(line(), errors)
    return values


def _compare(first: "Network", second: "Network") -> Row:
    from lth.analysis.agreement import disagreement, symmetric_kl

    logits = first.logits, second.logits
    return {"disagreement": disagreement(*logits), "kl": symmetric_kl(*logits)}


def _compare_draws(network: "Network", others: "Sequence[Network]", inputs: ProbeInputs) -> Row:
    """The mean disagreement with the other draws, whose mean over the draws is that over pairs; the ensemble of all."""
    from lth.analysis.agreement import disagreement, ensemble_accuracy

    first, *rest = (one.logits for one in (network, *others))
    return {
        "disagreement_between_draws": math.fsum(disagreement(first, other) for other in rest) / len(rest),
        "ensemble_accuracy": ensemble_accuracy([first, *rest], inputs.data.test.labels),
    }


PROBES_OF_LTH: tuple[Probe, ...] = (distance, interpolation, agreement, level_to_level)
"""In the order of their columns."""
