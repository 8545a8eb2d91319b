"""What a ticket costs compared with the dense network, in every form that it can be kept and run in: one table.

Masked zeros do not speed up dense kernels: the form `masked` takes as many multiply-adds as the dense network. Only a
form that skips work (csr, shrunk) or makes it cheaper (int8) saves time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from lth.compression import export
from lth.compression.forms import DEFAULT, FORMS, Form, Subject, impossible, made
from lth.compression.latency import Latency, latencies
from lth.compression.measure import Counts, Weighted, compression_ratio, counts, theoretical_speedup
from lth.compression.outputs import are_others, difference, outputs_of
from lth.compression.tables import BATCHES, COST, LAYER_COST, cost_table
from lth.core.errors import LotteryError, SettingError, reason_of
from lth.core.tables import Row, Table
from lth.core.weights import Mask, modes_kept
from lth.data.checks import checked_inputs
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
    progress: Callable[["Cost"], object] = lambda measured: None,
) -> Cost:
    """What `ticket`, a network whose pruned weights are zero, costs compared with `dense`, in each of `forms`.

    images: inputs (N, ...) for timing and for comparing logits, repeated where a batch is larger. mask: which weights
    are kept; None: those of Linear layers and convolutions that are not zero. test: gives the accuracies. calibration:
    batches of training inputs for static int8. forms: names from FORMS; None: DEFAULT. A form that this network or
    installation does not allow, or that does not run, has the reason in its note, one with other outputs the largest
    difference; with `strict`, one that `forms` names and that cannot be made or run is an error. batches: batch sizes
    to time, in `rounds` blocks each. progress: called with all rows so far whenever there are more. Raises SettingError
    for an unknown form, DataError for inputs that are NaN or infinite, LotteryError for a network that does not run.

    >>> ticket = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> _ = ticket[1].weight.data.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]]))
    >>> table = cost(ticket, ticket, torch.ones(1, 1, 2, 2), forms=["csr"], batches=[])
    >>> [(row["form"], row["nonzero"], row["flops"], row["sparse_flops"]) for row in table.rows]
    [('dense', 2, 16, 4.0), ('masked', 2, 16, 4.0), ('csr', 2, 16, 4.0)]
    """
    for name in forms or ():
        if name not in FORMS:
            raise SettingError("forms", name, f"unknown; known: {', '.join(FORMS)}")
    images = checked_inputs(images, "images")
    subject = Subject(ticket, dict(mask) if mask is not None else nonzero_mask(ticket), images, calibration)
    with modes_kept(dense), modes_kept(ticket):
        dense.eval()
        ticket.eval()
        measurement = _Measurement(subject, counts(dense, images), counts(ticket, images), test)
        measured = Cost(
            measurement.rows, layer_rows(measurement.ticket, subject.mask), tuple(batches), measurement.made
        )
        content = export.content(dense.state_dict(), {}, "dense")
        measurement.add("dense", Form("every weight kept", content, dense), strict=True)
        measurement.add("masked", FORMS["masked"](subject), strict=True)
        progress(measured)
        for name in (name for name in forms or DEFAULT if name != "masked"):
            measurement.add(name, made(name, subject, strict and bool(forms)), strict and bool(forms))
            progress(measured)
        for size in batches:
            measurement.time(size, rounds)
            progress(measured)
        return measured


class _Measurement:
    """The rows so far, and the forms that they are of: `made`, by name."""

    def __init__(self, subject: Subject, dense: Counts, ticket: Counts, test: Split | None) -> None:
        self.subject, self.dense, self.ticket, self.test = subject, dense, ticket, test
        self.rows: list[Row] = []
        self.made: dict[str, Form] = {}
        self._expected = outputs_of(subject.network, subject.images)

    def add(self, name: str, form: Form, strict: bool) -> None:
        """Adds the row of a form, which is run; where that fails, the note says why, or, if `strict`, LotteryError."""
        gap = score = None
        if form.network is not None:
            try:
                outputs = outputs_of(form.network, self.subject.images)
                gap = difference(outputs, self._expected) if outputs or self._expected else None
                score = None if self.test is None else evaluate(form.network, self.test).metrics.get("accuracy")
            except Exception as error:  # a user's network may raise anything, above all where layers are replaced
                form = impossible(error)
                if strict:
                    raise LotteryError(f"form {name}: {form.note}") from error
        if name != "dense" and gap is not None and are_others(name, gap, self._expected):
            form = replace(form, note=f"gives other outputs than masked, by up to {gap:.2g}; {form.note}")
        self.made[name] = form
        row = _row(name, form, self.dense, self.ticket)
        row["test_accuracy"] = score
        if name != "dense":
            row["difference"] = gap
            if score is not None and self.rows[0]["test_accuracy"] is not None:
                row["test_accuracy_change"] = score - self.rows[0]["test_accuracy"]
        self.rows.append(row)

    def time(self, size: int, rounds: int) -> None:
        """Adds the latencies of batches of `size`; a form that is unpacked before it runs has those of `masked`.

        A form that does not run on such a batch is not timed, and its note says why.
        """
        if size < 1:
            raise SettingError("batches", size, "must be at least 1")
        images = self.subject.images
        batch = images.repeat(-(-size // len(images)), *[1] * (images.ndim - 1))[:size]
        for row in self.rows:
            self._try(row, batch)
        networks = {name: form.network for name, form in self.made.items() if form.network is not None and form.timed}
        measured = latencies(networks, batch, rounds)
        for row in self.rows:
            if self.made[row["form"]].network is not None:
                latency: Latency = measured.get(row["form"], measured["masked"])
                row[f"batch_{size}_seconds"] = latency.median
                row[f"batch_{size}_low"], row[f"batch_{size}_high"] = latency.quantile(0.25), latency.quantile(0.75)
                row[f"batch_{size}_speedup"] = latency.speedup(measured["dense"])

    def _try(self, row: Row, batch: Tensor) -> None:
        """Runs the form of `row` once as it is timed."""
        name = row["form"]
        network = self.made[name].network
        try:
            if network is not None:
                with torch.inference_mode():
                    network(batch)
        except Exception as error:
            if name in ("dense", "masked"):
                problem = f"the model does not run on such a batch: {reason_of(error)}"
                raise SettingError("batches", len(batch), problem) from error
            self.made[name] = impossible(error)
            row |= {"note": f"{self.made[name].note} (batch {len(batch)})", "runs_as": None}


def nonzero_mask(model: nn.Module) -> Mask:
    """The mask that keeps the weights of Linear layers and convolutions that are not zero."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    weights = [x._parameters.get("weight") for x in model.modules() if isinstance(x, Weighted)]
    return {names[id(weight)]: weight.detach() != 0 for weight in weights if weight is not None}


def _row(name: str, form: Form, dense: Counts, ticket: Counts) -> Row:
    """The counts and sizes of one form; one with the ticket's own weights has the ticket's counts."""
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
        "bytes": sizes[0],
        "gzip_bytes": sizes[1],
    }
    if here.flops:
        row |= {"flops": here.flops, "sparse_flops": here.sparse_flops}
        row["theoretical_speedup"] = theoretical_speedup(dense, here)
    else:
        row["note"] += "; torch shows no product that it runs, so that its FLOPs cannot be counted"
    return row


def layer_rows(counted: Counts, mask: Mapping[str, Tensor]) -> list[Row]:
    """A row for each layer of a ticket, with the columns of LAYER_COST."""
    rows = []
    for layer in counted.layers:
        masks = [mask[name] for name in dict.fromkeys((layer.weight, *layer.names)) if name in mask]
        row = LAYER_COST.row(
            layer=layer.layer,
            kind=layer.kind,
            shape="x".join(map(str, layer.shape)),
            parameters=layer.parameters,
            nonzero=layer.nonzero,
            flops=layer.flops,
            sparse_flops=layer.sparse_flops,
        )
        if masks:
            kept, size = sum(int(x.sum()) for x in masks), sum(x.numel() for x in masks)
            row |= {"kept": kept, "density": kept / size, "sparsity": 1 - kept / size}
        rows.append(row)
    return rows
