"""The findings of outputs/reference/evci2022: one sparse network trained in every way, on one mask and on three."""

from collections.abc import Iterable

from reference.markdown import table

from findings.measured import Measured, listed, number, points, ratio, runs, seconds, times
from findings.pages import bullets, paragraph
from lth.report.intervals import Interval, t_interval

ALL = Measured.of_paper("evci2022")
PLACES = ("results.csv", "mask1", "mask2")
MASKS = [Measured.of_paper("evci2022", place) for place in PLACES]
FIRST = MASKS[0]
SPARSITY = 0.95
WITHIN = "runs within one mask"
ACCURACY = "final_test_accuracy"
TICKET, SCRATCH, PLUS = ({"arm": arm} for arm in ("ticket", "reinit", "reinit_plus"))
PRUNED = {"arm": "pruned", "draw": 0}
PAPER = {"pruned": "98.53", "ticket": "98.52 ± 0.02", "reinit": "97.04 ± 0.15", "lottery": "0.43", "scratch": "3.16"}
PAPER |= {"loss": "1.48"}
"""The table of the authors' own blog: accuracies and disagreements in percent, the loss of scratch in points."""
BARRIER = 2
"""Points of error that make a barrier."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {
        "trainings": trainings(),
        "table": by_mask(),
        "solution": bullets(solution()),
        "signal": paragraph(signal()),
        "updates": paragraph(updates()),
        "differs": bullets(differs()),
    }


def trainings() -> str:
    """What was trained."""
    first, rest = FIRST.results, [row for mask in MASKS[1:] for row in mask.results]
    (iterations,) = {row["iterations"] for row in first}
    return paragraph(
        f"""Mask 0 has {len(runs(first))} trainings of {iterations:,} steps, which took {seconds(first)} in all; masks 1
            and 2 have {len(runs(rest))}, which took {seconds(rest)}: two at a time, one thread each, on 2 cores of an
            AMD EPYC that had other work to do."""
    )


def by_mask() -> str:
    """Accuracies and disagreements of each mask beside the paper's."""
    words = {"pruned": "pruned solution", "ticket": "lottery", "reinit": "scratch", "reinit_plus": "scratch_plus"}
    rows = [[text, *(spread(mask, arm) for mask in MASKS), PAPER.get(arm, "")] for arm, text in words.items()]
    for init in ("lottery", "scratch"):
        cells = [disagreement(mask, init) for mask in MASKS]
        rows.append([f"disagreement between {init} networks", *cells, PAPER[init]])
    return table(["test accuracy (%)", "mask 0", "mask 1", "mask 2", "paper"], rows)


def spread(mask: Measured, arm: str) -> str:
    """Mean and standard deviation of the runs of an arm that train, and how many of how many do."""
    accuracies = [100 * row[ACCURACY] for row in mask.evidence.rows("results", {"arm": arm})]
    rate = mask.failures({"arm": arm})
    mean = number(sum(accuracies) / len(accuracies))
    if rate.n == 1:
        return mean
    interval = t_interval(accuracies)
    return f"{mean} ± {number(interval.error * interval.n**0.5)} ({rate.n - rate.failed} of {rate.n})"


def disagreement(mask: Measured, init: str) -> str:
    """The share of the test set that pairs of runs disagree on; none where runs that failed are among them."""
    (row,) = [*mask.evidence.rows("table", {"init": init}), *mask.evidence.failed_rows("table", {"init": init})]
    failed = mask.failures({"init": init}).failed
    return f"- ({failed} failed)" if failed else number(100 * row["disagreement"])


def solution() -> Iterable[str]:
    """How near tickets end to the pruned solution, on mask 0 and over three masks."""
    close = {"column": ACCURACY, "of": TICKET, "than": PRUNED}
    yield f"""The lottery ticket differs from the pruned solution of its mask by {points(first("difference", **close))}
        points of test accuracy on mask 0, and by {points(every("difference", **close))} points over three masks."""
    nearer = {"table": "distances", "column": "l2", "of": TICKET | {"to": "pruned"}, "than": SCRATCH | {"to": "pruned"}}
    yield f"""It ends {times(first("ratio", **nearer))} times as far from the pruned solution as scratch does on mask 0,
        {times(every("ratio", **nearer))} times over three masks."""
    lines = [{"init": init, "at": "end", "split": "test"} for init in ("lottery", "scratch")]
    ticket, scratch = (first("error_barrier", of=line) for line in lines)
    tickets, scratches = (every("error_barrier", of=line) for line in lines)
    assert scratches.low > BARRIER and tickets.low < BARRIER < tickets.high
    yield f"""On the line to the pruned solution the error of the ticket rises by {points(ticket)} points on mask 0,
        that of scratch by {points(scratch)}. Over three masks they rise by {points(tickets)} and {points(scratches)}
        points: a barrier of {BARRIER} points or more lies on the way from scratch, and three masks do not exclude one
        on the way from the ticket."""
    agree = {"of": {"init": "lottery"}, "than": {"init": "scratch"}}
    gains = [number(first("ensemble_gain", of={"init": init}).mean, signed=True) for init in ("lottery", "scratch")]
    yield f"""On mask 0, tickets disagree with each other {times(first("disagreement_ratio", **agree))} times as often
        as scratch networks do. An ensemble of tickets gains {gains[0]} points, one of scratch networks {gains[1]}: one
        value each, of one mask. On the other masks, runs of scratch failed."""


def signal() -> str:
    """What signal and gradient are like at the start and early in training."""
    of, than = {"sparsity": SPARSITY}, {"sparsity": 0.0}
    fades = [
        every("ratio", table="signal", column="std", of={"init": init} | of, than={"init": init} | than)
        for init in ("dense", "sparsity_aware")
    ]
    early = every("early_gradient_ratio", of=PLUS, than=SCRATCH, until=0.1)
    start = grad_norm("reinit") / grad_norm("pruned")
    return f"""Under standard initialisation, the signal at {100 * SPARSITY:.0f}% sparsity is {times(fades[0])} times
        that of the dense network (over three masks), and the gradient at the start {ratio(start)} times (mask 0). Under
        sparsity-aware initialisation the signal is {times(fades[1])} times that of the dense network; over the first
        tenth of training its gradient is {times(early)} times that of standard initialisation."""


def updates() -> str:
    """What changes of RigL's mask do."""
    judged = FIRST.judged("gradient_gain", of={"arm": "rigl"}, within="mask updates of one run")
    (level,) = judged.measured
    curvature = FIRST.interval("most_negative_ratio")
    changes = FIRST.evidence.rows("updates", {"arm": "rigl"})
    raised = sum(row["after"] > row["before"] for row in changes)
    mean, low, high = (number(x, signed=True) for x in (level.interval.mean, level.interval.low, level.interval.high))
    return f"""In the one run of RigL that was observed, {raised} of {len(changes)} changes of the mask raise the
        gradient norm. The mean change is {mean}% [{low}, {high}] over {level.interval.n} blocks of successive changes,
        which depend on each other: one run decides nothing. One change was looked at more closely: it makes the most
        negative eigenvalue of the Hessian {times(curvature)} times as large."""


def differs() -> Iterable[str]:
    """What differs from the paper."""
    other, order = FIRST.failures({"arm": "reinit_other_inits"}), [mask.failures({"arm": "reinit"}) for mask in MASKS]
    losses = [points(within(mask, "difference", column=ACCURACY, of=TICKET, than=SCRATCH)) for mask in MASKS]
    loss = every("difference", column=ACCURACY, of=TICKET, than=SCRATCH)
    later = sum(rate.failed for rate in order[1:]), sum(rate.n for rate in order[1:])
    assert not order[0].failed
    yield f"""**Whether scratch trains at all depends on the draw.** Of draws of weights on mask 0
        (`scratch_other_inits`), {other}: they end at the accuracy of predicting one class. On masks 1 and 2 the same
        happens to {later[0]} of {later[1]} runs of a single draw each, because of their data order alone; of all runs
        of scratch, {ALL.failures(SCRATCH)}. Where scratch trains, the ticket is {listed(losses)} points above it on
        masks 0, 1 and 2, {points(loss)} over the masks (the paper: {PAPER["loss"]}). Of the runs of `set`,
        {FIRST.failures({"arm": "set"})}."""
    plus = every("difference", column=ACCURACY, of=PLUS, than=SCRATCH)
    assert plus.high < 0 == ALL.failures(PLUS).failed
    yield f"""**`scratch_plus` trained in every run, to a lower accuracy than the scratch runs that train.** Of its
        runs, {ALL.failures(PLUS)}; its accuracy differs from that of the scratch runs that train by {points(plus)}
        points over three masks. Its gradient at the start is {grad_norm("reinit_plus"):.0f} on mask 0, scratch's
        {grad_norm("reinit"):.2g}. A possible reason: a pruned mask keeps the connections that carry most, and under it
        the paper's N(0, 2 / fan-in) lets the signal grow. The authors' code defaults to another draw, fan-average
        uniform with gain 1 (`model.plus_initializer=sparsity_aware_average_uniform`), which is not measured here."""
    init = every("ratio", column="grad_norm_init", of=TICKET, than=SCRATCH)
    early = every("early_gradient_ratio", of=TICKET, than=SCRATCH, until=0.1)
    yield f"""At the start, the ticket's gradient is {times(init)} times scratch's: alike, as in the paper. Over the
        first tenth of training it is {times(early)} times scratch's."""


def within(mask: Measured, estimator: str, **arguments: object) -> Interval:
    """An interval over the runs of one mask."""
    return mask.interval(estimator, within=WITHIN, **arguments)


def first(estimator: str, **arguments: object) -> Interval:
    """An interval over the runs of mask 0."""
    return within(FIRST, estimator, **arguments)


def every(estimator: str, **arguments: object) -> Interval:
    """An interval over the three masks, the runs of each averaged."""
    return ALL.interval(estimator, within=WITHIN, **arguments)


def grad_norm(arm: str) -> float:
    """The gradient norm before the first step, of the runs of an arm on mask 0, which have it in common."""
    norms = {row["grad_norm_init"] for row in FIRST.results if row["arm"] == arm}
    assert max(norms) - min(norms) < 1e-6 * max(norms)
    return float(max(norms))
