"""The findings of outputs/reference/frankle2021: methods side by side, and what ablations change."""

from collections.abc import Iterable, Mapping

from lth.experiments.at_init.comparison import compare
from lth.experiments.at_init.methods import ACCURACY, by_method

from findings.measured import Measured, listed, number, percent, points, runs, seconds, told
from findings.pages import REFERENCE, bullets, paragraph
from lth.pruning.methods import METHODS
from lth.report.gather import gather
from lth.report.intervals import Interval, over_seeds, t_interval
from lth.report.searches import searches
from lth.report.sheet import markdown
from lth.report.statistics import percent as density_text

FOLDER = REFERENCE / "frankle2021"
MEASURED = Measured.of_paper("frankle2021")
NAMES = {"synflow": "SynFlow", "snip": "SNIP", "grasp": "GraSP", "magnitude_after": "one-shot magnitude pruning"}
NAMES |= {"magnitude": "magnitude pruning at initialisation", "random": "random pruning"}
"""The methods besides IMP."""
AT_INIT = ("snip", "grasp", "synflow")
"""The methods whose ablations the paper finds to cost nothing."""
REINIT = MEASURED.judged("value", column=ACCURACY, of={"schedule": "iterative", "arm": "reinit"})
DENSITIES = [100 * level.density for level in REINIT.measured]
"""Those compared, in percent, the densest first."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": trainings(), "shows": bullets(shows()), "differs": bullets(differs())}


def files() -> dict[str, str]:
    """methods.md: the methods in one table."""
    (comparison,) = compare(gather([FOLDER]), t_interval)
    assert comparison.sheet
    return {"methods.md": markdown([comparison.sheet])}


def trainings() -> str:
    """What was trained."""
    rows = MEASURED.results
    (iterations,) = {row["iterations"] for row in rows}
    return paragraph(
        f"""{len(by_method(rows))} methods are compared over {len({row["seed"] for row in rows})} seeds at
            {listed([left(x) for x in DENSITIES])} of the weights. Each mask is trained as it is, on new weights
            (`reinit`), and shuffled within its layers (`shuffle`): {len(runs(rows))} trainings of {iterations:,}
            iterations, {len(rows)} rows. They took {seconds(rows)} in all, two at a time, one thread each, on 2 cores
            that had other work to do."""
    )


def shows() -> Iterable[str]:
    """What agrees with the paper, or is undecided, with its intervals."""
    densest, sparsest = DENSITIES[0], DENSITIES[-1]
    dense = {"schedule": "iterative", "arm": "ticket", "level": 0}
    against_dense = [f"{points(difference(of('imp'), dense, x))} points at {left(x)}" for x in DENSITIES]
    yield f"""Iterative magnitude pruning (IMP) has {accuracy("imp", sparsest)} test accuracy at {left(sparsest)} of the
        weights, the dense network {accuracy("imp", 100)}. Paired by seed, IMP differs from the dense network by
        {listed(against_dense)}. Finding the mask of {left(sparsest)} takes {epochs(sparsest)} epochs."""
    others = {name: difference(of(method), of("imp"), sparsest) for method, name in NAMES.items()}
    yield f"""At {left(sparsest)}, the other methods differ from IMP: {by_points(others)} points. {told(others)}"""
    own = points(difference(of("imp", "reinit"), of("imp"), sparsest))
    changes = effects("reinit", sparsest)
    yield f"""At {left(sparsest)}, new weights change the accuracy of IMP's mask by {own} points; that of
        {by_points(changes)} points. {told(changes)} The paper finds that they do not depend on the weights that they
        pruned."""
    changes = effects("shuffle", densest)
    yield f"""At {left(densest)}, shuffling changes the accuracy of {by_points(changes)} points. {told(changes)} The
        paper finds none of them to lose accuracy by it."""


def differs() -> Iterable[str]:
    """What differs from the paper."""
    densest, *sparser = DENSITIES
    changes = [(left(x), effects("shuffle", x)) for x in sparser]
    words = " ".join(f"At {density}, it changes that of {by_points(x)} points. {told(x)}" for density, x in changes)
    yield f"""Where fewer weights are left, shuffling changes the accuracy of these methods differently. {words} The
        paper finds the same accuracy or more. Its networks are convolutional and have BatchNorm. This one has neither,
        and the paper prints no numbers for it."""
    means = [mean(method, densest).mean for method in ("imp", *NAMES)]
    yield f"""At {left(densest)} the mean accuracies of all methods, random pruning included, lie between
        {number(min(means))} and {number(max(means))}%. Claims about their order are meant to hold at every density."""


def of(method: str, arm: str = "ticket") -> Mapping[str, str]:
    """The rows of an arm of a method."""
    return {"schedule": METHODS[method].word(), "arm": arm}


def difference(first: Mapping[str, object], second: Mapping[str, object], density: float) -> Interval:
    """Points of test accuracy that the rows `first` lie above the rows `second`, paired by seed."""
    return MEASURED.interval("difference", density, column=ACCURACY, of=first, than=second)


def effects(arm: str, density: float) -> dict[str, Interval]:
    """Name of each of AT_INIT -> what an ablation changes its accuracy by."""
    return {NAMES[method]: difference(of(method, arm), of(method), density) for method in AT_INIT}


def mean(method: str, density: float) -> Interval:
    """The test accuracy of a method's mask as it is, in percent: over seeds, on this test set."""
    by_level = over_seeds(by_method(MEASURED.results)[method], "ticket", ACCURACY)
    (interval,) = [x for share, x in by_level.values() if left(100 * share) == left(density)]
    return interval.times(100)


def accuracy(method: str, density: float) -> str:
    """`mean`, as text."""
    return percent(mean(method, density))


def epochs(density: float) -> str:
    """What IMP takes to find its mask."""
    row = next(row for row in by_method(MEASURED.results)["imp"] if left(100 * row["density"]) == left(density))
    (search,) = searches([FOLDER])[row["setting"], row["level"]]
    return f"{search['search_epochs']:.0f}"


def left(density: float) -> str:
    """A density in percent, as text."""
    return f"{density_text(density / 100)}%"


def by_points(changes: Mapping[str, Interval]) -> str:
    """`SNIP by +0.10 ±0.55, GraSP by ...`."""
    return listed([f"{name} by {points(x)}" for name, x in changes.items()])
