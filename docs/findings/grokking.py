"""The findings of outputs/reference/grokking: when each network memorises and generalises, beside the ticket."""

from collections.abc import Iterable

from lth.experiments.grokking.answer import DENSE
from lth.experiments.grokking.comparison import TICKET, Network, grouped, over_seeds, sheet
from reference.markdown import table

from findings.measured import Measured, listed, times, trained
from findings.pages import REFERENCE, bullets, paragraph
from lth.commands.claims import load_claims
from lth.report.statistics import percent

FOLDER = REFERENCE / "grokking"
MEASURED = {name: Measured(load_claims(f"minegishi2023_{name}"), (FOLDER / name,)) for name in ("mlp", "transformer")}
MEMORIZES, GENERALIZES = "memorized_at", "generalized_at"


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    tables = {f"table_{name}": networks_table(measured) for name, measured in MEASURED.items()}
    return {"trainings": bullets(trainings()), "shows": bullets(shows()), "differs": bullets(differs())} | tables


def networks(measured: Measured) -> dict[str, Network]:
    """Name -> network, as `lth report` compares them."""
    return over_seeds(measured.evidence.tables["delays"])


def title(measured: Measured) -> str:
    """The network and how many weights its masks keep."""
    (density,) = {row["density"] for row in measured.results if row["level"] and row["arm"] == TICKET}
    name = {"modular_mlp": "MLP"}.get(measured.claims.model, measured.claims.model.capitalize())
    return f"{name}, masks of {percent(density)}% of the weights"


def trainings() -> Iterable[str]:
    """What was trained."""
    for measured in MEASURED.values():
        rows = measured.results
        yield f"{title(measured)}: {len({row['seed'] for row in rows})} seeds, {trained(rows)}."


def shows() -> Iterable[str]:
    """The delay of the dense network and of every control, beside the ticket's."""
    for measured in MEASURED.values():
        by_name = networks(measured)
        dense, ticket = by_name[DENSE], by_name[TICKET]
        groups = {words: [f"`{name}`" for name in names] for words, names in grouped(by_name).items() if names}
        told = "; ".join(f"{words} for {listed(names)}" for words, names in groups.items())
        yield f"""**{title(measured)}.** Medians over the seeds: the dense network memorises at iteration
            {dense.time(MEMORIZES)} and generalises at {dense.time(GENERALIZES)}, the ticket at {ticket.time(MEMORIZES)}
            and {ticket.time(GENERALIZES)}. The delay of the dense network is {dense.times_ticket} times the ticket's.
            By 95% intervals, each for itself, the delay is {told}."""


def differs() -> Iterable[str]:
    """How much of the delay the ticket takes away."""
    for measured in MEASURED.values():
        ticket = networks(measured)[TICKET]
        delays = [row["delay"] for row in ticket.rows]
        shorter = measured.interval("delay_ratio", of={"arm": TICKET}, than={"arm": TICKET, "level": 0})
        yield f"""**{title(measured)}.** The paper's ticket generalises nearly as soon as it memorises. Here its delay
            is {times(shorter)} times that of the dense network, {min(delays):,} to {max(delays):,} iterations: shorter,
            and not gone."""


def networks_table(measured: Measured) -> str:
    """The table of `lth report`, in Markdown."""
    shown = sheet("", networks(measured))
    rows = [[f"`{name}`", *cells] for name, *cells in shown.cells]
    return table(shown.heads, rows) + "\n\n" + paragraph(shown.note)
