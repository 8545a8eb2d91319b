"""The findings of outputs/reference/frankle2020: from when on training is stable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lth.experiments.stability.answer import note_on, paragraphs, sheet
from lth.experiments.stability.networks import ACCURACY, Network, networks_of
from reference.markdown import table

from findings.measured import TWO_CORES, Measured, listed, points, trained
from findings.pages import REFERENCE, bullets, paragraph
from lth.analysis.line import STABLE
from lth.commands.claims import load_claims
from lth.report.criteria import Criteria
from lth.report.statistics import percent as density_text

MEASURED = {
    network: Measured(load_claims(f"frankle2020_{network}"), (REFERENCE / "frankle2020" / network,))
    for network in ("lenet", "resnet20")
}
HOW = {
    "lenet": TWO_CORES,
    "resnet20": f"""those of the dense network from k=0 and 100 six at a time on an NVIDIA H100 (Python 3.12.3, torch
        2.11.0), the others {TWO_CORES}""",
}
"""Network -> how its trainings were run."""
SHOWN = ("network", "k", "accuracy", "instability", "on train", "disagree", "is")
"""The columns of the table, of those that `lth report` shows."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    tables = {f"table_{network}": networks_table(measured) for network, measured in MEASURED.items()}
    texts = {f"shows_{network}": bullets(shows(measured)) for network, measured in MEASURED.items()}
    return {"trainings": bullets(trainings())} | tables | texts


def networks(measured: Measured) -> Sequence[Network]:
    """The networks of a reference, the dense one first."""
    return networks_of(measured.evidence.tables["stability"], measured.results)


def trainings() -> Iterable[str]:
    """What was trained: the children, whose rows the tables hold, and the searches."""
    for name, measured in MEASURED.items():
        seeds, levels, rewinds = ({row[key] for row in measured.results} for key in ("seed", "level", "rewind"))
        searched = {row["rewind"] for row in measured.results if row["level"]}
        count, starts = len(seeds) * len(searched) * max(levels), len(seeds) * len(rewinds - {0})
        children = trained(measured.results, HOW[name])
        yield f"""`{name}`: {len(seeds)} seeds. The children are {children}; the searches are {count} further
            trainings{f", and {starts} more lead to the rewind points" if starts else ""}."""


def shows(measured: Measured) -> Iterable[str]:
    """How stable each network is, and how accurate beside the ticket and the dense network."""
    yield from paragraphs(networks(measured), STABLE)[1:]
    yield from accuracies(measured)


def accuracies(measured: Measured) -> Iterable[str]:
    """Test accuracies at the end of training, as differences that are paired by seed."""
    pruned = [network for network in networks(measured) if network.level]
    (density,) = {network.density for network in pruned}

    def apart(rewind: int, arm: str, than: Mapping[str, Any]) -> str:
        keys = {"column": ACCURACY, "of": {"arm": arm}, "than": than, "where": {"rewind": rewind}}
        return points(measured.interval("difference", 100 * density, **keys))

    for rewind in sorted({rewind for network in pruned for rewind in network.rewinds}):
        by_arm = [network.arm for network in pruned if rewind in network.rewinds]
        beside_dense = apart(rewind, "ticket", {"arm": "ticket", "level": 0})
        yield f"""From k={rewind:,}, at {density_text(density)}% of the weights, the ticket's test accuracy at the end
            of training differs from that of the dense network by {beside_dense} points (95% interval, paired by
            seed)."""
        if controls := [arm for arm in by_arm if arm != "ticket"]:
            beside = [f"that of `{arm}` by {apart(rewind, arm, {'arm': 'ticket'})}" for arm in controls]
            yield f"""Beside the ticket, the accuracy differs: {listed(beside)} points."""


def networks_table(measured: Measured) -> str:
    """The table of `lth report`, in Markdown."""
    shown = sheet("", networks(measured), STABLE, Criteria())
    places = [shown.heads.index(head) for head in SHOWN]
    rows = [[cells[place] for place in places] for cells in shown.cells]
    return table(SHOWN, rows) + "\n\n" + paragraph(f"*{note_on(SHOWN)}*")
