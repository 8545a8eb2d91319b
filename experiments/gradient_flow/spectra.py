"""The spectrum of the Hessian before and after a change of a mask (Evci et al. 2022, section 3), as rows of a table."""

from functools import partial

from lth.analysis.curvature import Hessian, extreme_eigenvalues, spectrum
from lth.analysis.monitor import Monitor, unmonitored
from lth.core.tables import Row
from lth.store.runs import Store
from lth.training.gradient import examples
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .plan import CHANGING
from .trainings import TrainedPlan

EXTREMES = 10
"""How many eigenvalues of each end."""
STEPS, PROBES = 80, 5
"""Of the Lanczos quadrature: 400 products with the Hessian, enough for a density that is read off a figure."""


def spectra(trained: TrainedPlan, store: Store, count: int, monitor: Monitor = unmonitored) -> list[Row]:
    """The spectrum on both sides of the change, of the loss on `count` fixed training examples, without weight decay.

    kind: `largest` and `smallest`, the outermost eigenvalues in nats per squared weight, outermost first; `node`, a
    point of the density of all, whose `weight` is its share of them (the shares of one moment sum to 1). A training
    that diverged has none.
    """
    key = f"hessian examples={count} extremes={EXTREMES} steps={STEPS} probes={PROBES}"
    progress, rows = monitor("spectrum", len(trained.change)), list[Row]()
    for number, (moment, (spec, result)) in enumerate(trained.change.items(), 1):
        if result.status == "done":
            eigenvalues = store.probed(result.run, key, partial(_spectrum, spec, result, count))
            rows += [{"arm": CHANGING, "iteration": spec.plan.stop, "moment": moment, **row} for row in eigenvalues]
        progress(number)
    return rows


def _spectrum(spec: RunSpec, result: RunResult, count: int) -> list[Row]:
    split, mask = examples(spec.data.train, count), result.mask(spec.mask)
    hessian = Hessian(spec.model, result.final, split, mask, keep_graph=True)
    ends = extreme_eigenvalues(hessian, EXTREMES, EXTREMES, tolerance=1e-3)
    density = spectrum(hessian, STEPS, PROBES)
    rows: list[Row] = [
        {"kind": kind, "eigenvalue": float(value), "weight": None}
        for kind, values in (("largest", ends.largest), ("smallest", ends.smallest))
        for value in values
    ]
    nodes = zip(density.nodes, density.weights, strict=True)
    return rows + [{"kind": "node", "eigenvalue": float(node), "weight": float(weight)} for node, weight in nodes]
