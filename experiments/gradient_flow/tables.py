"""The tables of `lth gradient_flow` besides results, layers and curves. Imports no torch."""

from lth.analysis.columns import distance_columns
from lth.core.tables import Column, Table

INIT = Column("init", str, "", "the row of the paper's table: which initial weights the sparse network is trained from")
ARM = Column("arm", str, "", "the arm in results.csv")
DRAW = Column("draw", int, "", "the number of the run within its row or arm", at_least=0)

TABLE = Table(
    "table",
    (
        INIT,
        Column("seeds", int, "", "how many runs the means are over", at_least=0),
        Column("test_accuracy", float, "0..1", "the mean final test accuracy"),
        Column("test_accuracy_std", float, "0..1", "its sample standard deviation over runs"),
        Column("ensemble_accuracy", float, "0..1", "the test accuracy of the ensemble of the runs"),
        Column("disagreement", float, "0..1", "test examples classified differently, the mean over pairs of runs"),
        Column("disagreement_with_pruned", float, "0..1", "test examples classified unlike the pruned solution"),
        Column(
            "distance_to_pruned",
            float,
            "",
            "the mean L2 distance of the final weights from the pruned solution's",
            at_least=0,
            finite=False,
        ),
        Column("failed", int, "", "how many runs failed; they are in no mean, unless all did", added=True, at_least=0),
    ),
    key=("init",),
    meaning="The table of Evci et al. 2022 within one mask: a row for each kind of initial weights.",
)
AGREEMENT = Table(
    "agreement",
    (
        INIT,
        DRAW,
        Column("disagreement", float, "0..1", "test examples classified unlike the row's other runs, the mean"),
        Column("kl", float, "nats", "the symmetric KL divergence from the row's other runs, the mean", finite=False),
        Column("disagreement_with_pruned", float, "0..1", "test examples classified unlike the pruned solution"),
        Column("kl_with_pruned", float, "nats", "the symmetric KL divergence from the pruned solution", finite=False),
    ),
    key=("init", "draw"),
    meaning="A row for each run: how alike its predictions are to others.",
)
DISTANCES = Table(
    "distances",
    (
        ARM,
        DRAW,
        Column("to", str, "", "compared with: `init`, its initial weights, or `pruned`, the pruned solution"),
        *distance_columns("l2", "cosine", "the L2 distance of the final weights, pruned ones as zeros"),
    ),
    key=("arm", "draw", "to"),
    meaning="A row for each run and what its final weights are compared with.",
)
LINES = Table(
    "lines",
    (
        INIT,
        DRAW,
        Column("at", str, "", "which end of the run the line begins at: `start`, once where runs share it, or `end`"),
        Column("split", str, "", "train or test"),
        Column("alpha", float, "", "the place on the line: 0 is the network, 1 the pruned solution"),
        Column("loss", float, "nats", "the mean loss there", finite=False),
        Column("accuracy", float, "0..1", "the accuracy there"),
    ),
    key=("init", "draw", "at", "split", "alpha"),
    meaning="A row for each network on a straight line to the pruned solution, both ends under its mask.",
)
SIGNAL = Table(
    "signal",
    (
        Column("init", str, "", "the initialiser: `dense`, `layer_scaled`, `sparsity_aware`, `sparsity_aware_glorot`"),
        Column("sparsity", float, "0..1", "1 - kept / weights of every layer, under a random mask"),
        Column("draw", int, "", "the number of the draw of weights and mask", at_least=0),
        Column("std", float, "", "the standard deviation of the logits for N(0, 1) inputs", at_least=0, finite=False),
    ),
    key=("init", "sparsity", "draw"),
    meaning="A row for each untrained network: how much of a signal reaches its output.",
)
MAP = Table(
    "map",
    (
        Column("point", str, "", "a start, an end, or the pruned solution (`pruned_end`)"),
        DRAW,
        Column("x", float, "", "its place in the plane, in units of the weights"),
        Column("y", float, "", "its place in the plane, in units of the weights"),
        Column("stress", float, "", "Kruskal's stress-1 of the whole map: how badly its distances match", at_least=0),
    ),
    key=("point", "draw"),
    meaning="A row for each start and end point, laid out by metric multidimensional scaling of the L2 distances.",
)
UPDATES = Table(
    "updates",
    (
        ARM,
        Column("iteration", int, "iterations", "when the mask changed"),
        Column("before", float, "", "the gradient norm right before the change", at_least=0, finite=False),
        Column("after", float, "", "the gradient norm right after it", at_least=0, finite=False),
    ),
    key=("arm", "iteration"),
    meaning="A row for each change of a mask in the first run of an arm.",
)
SPECTRUM = Table(
    "spectrum",
    (
        ARM,
        Column("iteration", int, "iterations", "when the mask changed"),
        Column("moment", str, "", "`before` or `after` the change"),
        Column("kind", str, "", "`largest` or `smallest` eigenvalues, outermost first; `node`: a point of the density"),
        Column("eigenvalue", float, "", "the eigenvalue of the Hessian, nats per squared weight"),
        Column("weight", float, "0..1", "the share of all eigenvalues that a node stands for; they sum to 1"),
    ),
    meaning="A row for each eigenvalue, or point of the density, of the Hessian around a change of a mask.",
)
TABLES = (TABLE, AGREEMENT, DISTANCES, LINES, SIGNAL, MAP, UPDATES, SPECTRUM)
