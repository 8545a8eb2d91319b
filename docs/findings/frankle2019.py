"""The findings of outputs/reference/frankle2019: verdicts on tickets, their early stops, and one-shot tickets."""

from collections.abc import Iterable, Mapping

from findings.measured import Measured, listed, percent, points, runs, seconds
from findings.pages import REFERENCE, bullets, paragraph
from findings.tickets import censored, left, spans, undecided
from lth.core.tables import Row
from lth.report.early_stop import log_ratio_to_dense
from lth.report.gather import gather
from lth.report.headline import sentence, setting_title
from lth.report.intervals import Interval, over_seeds
from lth.report.sheet import markdown
from lth.report.summary import summary_rows, summary_sheet
from lth.report.verdict import smallest, verdicts

FOLDER = REFERENCE / "frankle2019"
MEASURED = Measured.of_paper("frankle2019")
ACCURACY = "early_stop_test_accuracy"
MORE = "[The numbers, the verdicts, and the paper's claims one by one]({}/frankle2019/README.md)."
PAPER = {"dense": "just over 98%", "iterations": "50,000"}
"""What the paper says of the dense network's accuracy and of the length of trainings."""
BESIDE = 21.1
"""The density, in percent, at which the paper compares tickets with reinit."""
DENSE = {"arm": "ticket", "level": 0, "schedule": "iterative"}


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": trainings(), "shows": bullets(shows()), "differs": bullets(differs())}


def pages() -> dict[str, dict[str, str]]:
    """Page -> the text of its blocks: the caption of figure 4."""
    return {
        "README.md": {"figure": paragraph(f"*{caption()} {MORE.format('outputs/reference')}*")},
        "docs/pages/index.md": {"figure": paragraph(f"*{caption()} {MORE.format('papers')}*")},
    }


def files() -> dict[str, str]:
    """summary.md, as `lth report` writes it."""
    settings = gather([FOLDER]).settings().values()
    sheets = [summary_sheet(setting_title(rows), summary_rows(rows, "t", {})) for rows in settings]
    return {"summary.md": markdown(sheets)}


def iterative() -> list[Row]:
    """The rows of the main setting."""
    return [row for row in MEASURED.results if row["schedule"] == "iterative"]


def caption() -> str:
    """Of figure 4."""
    rows = MEASURED.results
    (iterations,) = {row["iterations"] for row in rows}
    judged = verdicts(iterative())
    found = {word: left(density) for word, density in smallest(judged) if density}
    of, than = ({"arm": arm, "schedule": "iterative"} for arm in ("ticket", "reinit"))
    better = MEASURED.judged("difference", column=ACCURACY, of=of, than=than).measured
    count = sum(level.interval.low is not None and level.interval.low > 0 for level in better)
    return f"""Figure 4 of the paper from one command, `lth imp paper=frankle2019/lenet`: a 300-100 network on MNIST, n
        = {len({row["seed"] for row in rows})} seeds, {len(runs(rows))} trainings of {iterations:,} iterations that took
        {seconds(rows)} in all, two at a time on a busy machine; error bars are 95% t intervals. The smallest density
        with a ticket that matches the dense network is {found["matching"]}, with a winning ticket {found["winning"]},
        corrected for {len(judged)} densities. Tickets are more accurate than the same masks with new weights (`reinit`)
        at {count} of {len(better)} densities, by 95% intervals."""


def trainings() -> str:
    """What was trained."""
    rows = iterative()
    (iterations,) = {row["iterations"] for row in rows}
    levels = {arm: {row["level"] for row in rows if row["arm"] == arm} for arm in ("ticket", "reinit", "shuffle")}
    once = {row["level"] for row in MEASURED.results if row["schedule"] == "one_shot" and row["level"]}
    assert levels["reinit"] == levels["shuffle"] == once == levels["ticket"] - {0}
    return paragraph(
        f"""The run covers {len({row["seed"] for row in rows})} seeds and {len(levels["ticket"])} levels, from 100% down
            to {left(min(row["density"] for row in rows))} of the weights. `reinit` and `shuffle` are trained at all
            {len(once)} densities below 100%, and so are one-shot tickets: {len(runs(MEASURED.results))} trainings of
            {iterations:,} iterations, {len(MEASURED.results)} rows. They took {seconds(MEASURED.results)} in all, two
            at a time, one thread each, on 2 cores of an AMD EPYC that had other work to do."""
    )


def shows() -> Iterable[str]:
    """The headline, the verdicts by density, early stops, and one-shot tickets."""
    judged = list(verdicts(iterative()).values())
    densities = [verdict.density for verdict in judged]
    yield f"""{sentence(iterative())} The smallest densities are corrected for the number of densities (Holm, 5%)."""
    matching, rest = [x for x in judged if x.matching], [x for x in judged if not x.matching]
    winning = [x for x in judged if x.decision == "winning"]
    but = f", all but {spans([x.density for x in rest], densities)}" if rest else ""
    yield f"""By its own intervals the ticket matches the dense network at {len(matching)} of {len(judged)}
        densities{but}. It is a winning ticket, fast and more accurate than both controls, too, at
        {spans([x.density for x in winning], densities)}.
        {undecided(judged)}"""
    yield stops()
    sides = [{"arm": "ticket", "schedule": schedule} for schedule in ("one_shot", "iterative")]
    once = MEASURED.judged("difference", column=ACCURACY, of=sides[0], than=sides[1]).measured
    once = [level for level in once if level.interval.low or level.interval.high]  # else one training is both
    worse = [x.density for x in once if x.interval.high is not None and x.interval.high < 0]
    assert not [x for x in once if x.interval.low is not None and x.interval.low > 0]
    words = [f"{points(x.interval)} at {left(x.density)}" for x in once]
    yield f"""One-shot tickets differ from iterative ones in accuracy, in points, by {listed(words)}. They are less
        accurate at {spans(worse, densities)}; the others are not told from equal ones."""


def stops() -> str:
    """At how many densities the ticket stops earlier than the dense network, and than reinit."""
    ratios = log_ratio_to_dense(iterative(), "ticket")
    earlier = [density for density, x in ratios.values() if x.high is not None and x.high < 0]
    assert not [x for _, x in ratios.values() if x.low is not None and x.low > 0]
    of, than = ({"arm": arm, "schedule": "iterative"} for arm in ("ticket", "reinit"))
    speedups = MEASURED.judged("speedup", of=of, than=than, at_least=1.0).measured
    faster = [level.density for level in speedups if level.verdict == "reproduced"]
    densities = [verdict.density for verdict in verdicts(iterative()).values()]
    by_dense, by_reinit = (f"({spans(some, densities)})" for some in (earlier, faster))
    return f"""The early stop of the ticket is earlier than the dense network's at {len(earlier)} of {len(ratios)}
        densities {by_dense} and later at none, and earlier than that of `reinit` at {len(faster)} of {len(speedups)}
        {by_reinit}: by 95% intervals, each for itself. The others are not told from equal ones."""


def differs() -> Iterable[str]:
    """What differs from the paper."""
    dense = over_seeds(iterative(), "ticket", ACCURACY)[0][1].times(100)
    ticket, reinit = (difference(arm, BESIDE) for arm in ("ticket", "reinit"))
    yield f"""At its early stop the dense network reaches {percent(dense)} test accuracy; the paper writes of
        {PAPER["dense"]}. At {BESIDE}% the ticket lies {points(ticket)} points above it, `reinit` {points(reinit)}. The
        paper does not say how it normalises its inputs."""
    (iterations,) = {row["iterations"] for row in MEASURED.results}
    yield f"""Trainings run for {iterations:,} iterations instead of the paper's {PAPER["iterations"]}. Early stops in
        the last 5% of that are lower bounds: {censored(MEASURED.results)}. What the paper says about the end of
        training needs `scale=paper`."""


def difference(arm: str, density: float) -> Interval:
    """Points of accuracy that an arm lies above the dense network of its seed."""
    of: Mapping[str, str] = {"arm": arm, "schedule": "iterative"}
    return MEASURED.interval("difference", density, column=ACCURACY, of=of, than=DENSE)
