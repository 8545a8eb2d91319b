"""What a ticket costs compared with the dense network, in every form that it can be kept and run in: one table.

Masked zeros do not speed up dense kernels: the form `masked` takes as many multiply-adds as the dense network. Only a
form that skips work (csr, shrunk) or makes it cheaper (int8) saves time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lth.compression import export
from lth.compression.forms import DEFAULT, FORMS, Form, Subject
from lth.compression.latency import Latency, latencies
from lth.compression.measure import Counts, Weighted, compression_ratio, counts, theoretical_speedup
from lth.compression.tables import BATCHES, COST, LAYER_COST, cost_table
from lth.core.errors import LotteryError, SettingError
from lth.core.tables import Row, Table
from lth.core.weights import Mask, modes_kept
from lth.data.tensors import Split
from lth.training.evaluate import evaluate


@dataclass(frozen=True)
class Cost:
    """rows: the dense network and every form, as in `table`. layers: those of the ticket, as in LAYER_COST.

    batches: the batch sizes that were timed. forms: the forms themselves, by name. threads: that they ran on.
    """

    rows: list[Row]
    layers: list[Row]
    batches: tuple[int, ...]
    forms: Mapping[str, Form]
    threads: int = field(default_factory=torch.get_num_threads)

    @property
    def table(self) -> Table:
        """The table that `rows` belong to."""
        return cost_table(self.batches)


def cost(
    dense: nn.Module,
    ticket: nn.Module,
    images: Tensor,
    *,
    mask: Mapping[str, Tensor] | None = None,
    test: Split | None = None,
    calibration: Sequence[Tensor] = (),
    forms: Sequence[str] | None = None,
    batches: Sequence[int] = BATCHES,
    rounds: int = 25,
    strict: bool = True,
) -> Cost:
    """What `ticket`, a network whose pruned weights are zero, costs compared with `dense`, in each of `forms`.

    images: inputs (N, ...) for timing and for comparing logits, repeated where a batch is larger. mask: which weights
    are kept; None: those of Linear layers and convolutions that are not zero. test: gives the accuracies. calibration:
    batches of training inputs for static int8. forms: names from FORMS; None: DEFAULT. A form that this network or
    installation does not allow has the reason in its note; with `strict`, one that `forms` names is an error. batches:
    batch sizes to time, in `rounds` blocks each. Raises SettingError for an unknown form, LotteryError for a form that
    cannot be made.

    >>> ticket = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> _ = ticket[1].weight.data.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]]))
    >>> table = cost(ticket, ticket, torch.ones(1, 1, 2, 2), forms=["csr"], batches=[])
    >>> [(row["form"], row["nonzero"], row["flops"], row["sparse_flops"]) for row in table.rows]
    [('dense', 2, 16, 4.0), ('masked', 2, 16, 4.0), ('csr', 2, 16, 4.0)]
    """
    for name in forms or ():
        if name not in FORMS:
            raise SettingError("forms", name, f"unknown; known: {', '.join(FORMS)}")
    subject = Subject(ticket, dict(mask) if mask is not None else nonzero_mask(ticket), images, calibration)
    with modes_kept(dense), modes_kept(ticket):
        dense.eval()
        ticket.eval()
        made = {"dense": Form("every weight kept", export.content(dense.state_dict(), {}, "dense"), dense)}
        made |= _forms(subject, forms, strict)
        dense_counts, ticket_counts = counts(dense, images), counts(ticket, images)
        rows = [_row(name, form, dense_counts, ticket_counts, test) for name, form in made.items()]
        _compare(rows, made, images, test)
        for size in batches:
            _time(rows, made, images, size, rounds)
        return Cost(rows, layer_rows(ticket_counts, subject.mask), tuple(batches), made)


def _forms(subject: Subject, names: Sequence[str] | None, strict: bool) -> dict[str, Form]:
    """`masked` and the forms `names`; without `strict`, one that cannot be made has the reason in its note."""
    made = {}
    for name in ("masked", *(name for name in names or DEFAULT if name != "masked")):
        try:
            made[name] = FORMS[name](subject)
        except LotteryError as error:
            if names and strict:
                raise
            made[name] = Form(f"not available: {error}")
    return made


def nonzero_mask(model: nn.Module) -> Mask:
    """The mask that keeps the weights of Linear layers and convolutions that are not zero."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    weights = [x._parameters.get("weight") for x in model.modules() if isinstance(x, Weighted)]
    return {names[id(weight)]: weight.detach() != 0 for weight in weights if weight is not None}


def _row(name: str, form: Form, dense: Counts, ticket: Counts, test: Split | None) -> Row:
    """The counts, sizes and accuracy of one form; one with the ticket's own weights has the ticket's counts."""
    row = COST.row(form=name, note=form.note)
    if form.network is not None:
        row["runs_as"] = name if form.timed else "masked"
    if (sizes := form.sizes) is None:
        return row
    here = dense if name == "dense" else form.counts or ticket
    row |= {
        "parameters": here.parameters,
        "nonzero": here.nonzero,
        "sparsity": 1 - here.density,
        "compression_ratio": compression_ratio(dense, here),
        "flops": here.flops,
        "sparse_flops": here.sparse_flops,
        "theoretical_speedup": theoretical_speedup(dense, here),
        "bytes": sizes[0],
        "gzip_bytes": sizes[1],
    }
    if test is not None and form.network is not None:
        row["test_accuracy"] = evaluate(form.network, test).accuracy
    return row


@torch.no_grad()
def _compare(rows: list[Row], forms: Mapping[str, Form], images: Tensor, test: Split | None) -> None:
    """Adds each form's accuracy less the dense network's, and its largest difference from the logits of `masked`."""
    masked = forms["masked"].network
    assert masked is not None
    logits = masked(images)
    for row in rows:
        network = forms[row["form"]].network
        if network is not None and row["form"] != "dense":
            row["difference"] = float((network(images) - logits).abs().max())
            if test is not None:
                row["test_accuracy_change"] = row["test_accuracy"] - rows[0]["test_accuracy"]


def _time(rows: list[Row], forms: Mapping[str, Form], images: Tensor, size: int, rounds: int) -> None:
    """Adds the latencies of batches of `size`; a form that is unpacked before it runs has those of `masked`."""
    if size < 1:
        raise SettingError("batches", size, "must be at least 1")
    batch = images.repeat(-(-size // len(images)), *[1] * (images.ndim - 1))[:size]
    networks = {name: form.network for name, form in forms.items() if form.network is not None and form.timed}
    measured = latencies(networks, batch, rounds)
    for row in rows:
        if forms[row["form"]].network is not None:
            latency: Latency = measured.get(row["form"], measured["masked"])
            row[f"batch_{size}_seconds"] = latency.median
            row[f"batch_{size}_low"], row[f"batch_{size}_high"] = latency.quantile(0.25), latency.quantile(0.75)
            row[f"batch_{size}_speedup"] = latency.speedup(measured["dense"])


def layer_rows(counted: Counts, mask: Mapping[str, Tensor]) -> list[Row]:
    """A row for each layer of a ticket, with the columns of LAYER_COST."""
    rows = []
    for layer in counted.layers:
        kept = mask.get(layer.weight)
        row = LAYER_COST.row(
            layer=layer.layer,
            kind=layer.kind,
            shape="x".join(map(str, layer.shape)),
            parameters=layer.parameters,
            nonzero=layer.nonzero,
            flops=layer.flops,
            sparse_flops=layer.sparse_flops,
        )
        if kept is not None:
            density = int(kept.sum()) / kept.numel()
            row |= {"kept": int(kept.sum()), "density": density, "sparsity": 1 - density}
        rows.append(row)
    return rows
