"""Measures trained tickets in every form that they can be stored and run in, and what finding them took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from lth.analysis.sensitivity import sensitivity, split_of
from lth.compression.cost import cost
from lth.compression.files import write_and_verify
from lth.compression.forms import FORMS
from lth.compression.quantize import accuracy_grid
from lth.compression.search_cost import ScoreCost, SearchCost, pace_of, search_cost
from lth.compression.tables import BATCHES
from lth.core.errors import SettingError
from lth.core.keeping import copied
from lth.core.tables import Row
from lth.core.weights import Mask, State, load, on_cpu
from lth.data.tensors import Data
from lth.lottery.levels import Level
from lth.pruning.granularity import blocks
from lth.pruning.mask import prunable
from lth.pruning.schedule import Pruning
from lth.store.runs import Store
from lth.training.evaluate import evaluate

from .tables import COST, DENSE, PLACE

CALIBRATION = 10
"""How many training batches static int8 takes its ranges from."""


@dataclass(frozen=True)
class TrainedTicket:
    """A trained ticket of one kind and level. state: its weights at the early stop, or at the end without one."""

    kind: str
    level: int
    run: str
    mask: Mask
    state: State

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.kind.replace(':', '_of_')}-{self.level}" if self.level else self.kind


def trained_ticket(kind: str, level: Level) -> TrainedTicket | None:
    """The ticket that `level` trained, on the CPU; None where that training diverged."""
    result = level.result
    if result.status != "done":
        return None
    mask = {name: kept.cpu() for name, kept in level.spec.mask.items()}
    state = on_cpu(result.states.get("early_stop", result.final))
    return TrainedTicket(kind if level.index else DENSE, level.index, result.run, mask, state)


def fitted(pruning: Pruning, model: nn.Module) -> Pruning:
    """`pruning`; with the granularity N:M it excludes the layers whose number of inputs M does not divide.

    Raises SettingError where no layer remains.
    """
    if (block := blocks(pruning.granularity)) is None:
        return pruning
    layers, (_, length) = prunable(model, pruning.exclude, pruning.output), block
    indivisible = [layer.name for layer in layers if layer.shape[1] % length]
    if len(indivisible) == len(layers):
        problem = f"no layer has inputs that {length} divides; leave it out"
        raise SettingError("blocks", pruning.granularity, problem)
    return replace(pruning, exclude=[*pruning.exclude, *indivisible])


class TicketBenchmark:
    """Measures trained tickets on the CPU; whatever does not depend on the clock is kept in `store` with their runs.

    model: the architecture. files: the folder that forms are written to, with a folder for each ticket.
    """

    def __init__(self, model: nn.Module, data: Data, store: Store, files: Path) -> None:
        self.model, self.data, self.store, self.files = copied(model).cpu(), data, store, files
        self.sizes = {layer.name: layer.size for layer in prunable(self.model)}

    def place(self, ticket: TrainedTicket) -> Row:
        """The columns PLACE of `ticket`. density: kept / weights of all Linear layers and convolutions."""
        left = sum(int(ticket.mask[name].sum()) if name in ticket.mask else size for name, size in self.sizes.items())
        density = left / sum(self.sizes.values())
        return {"kind": ticket.kind, "level": ticket.level, "run": ticket.run, "density": density}

    def costs(self, ticket: TrainedTicket, dense: TrainedTicket, rounds: int, onnx: bool, batch_size: int) -> list[Row]:
        """Rows COST: the dense network and every form of `ticket`, timed by turns, each file read again."""
        network, dense_network = copied(self.model), copied(self.model)
        load(network, ticket.state, ticket.mask)
        load(dense_network, dense.state, dense.mask)
        images = self.data.test.images[: max(BATCHES)]
        size = max(1, min(batch_size, len(self.data.train) // CALIBRATION))
        costs = cost(
            dense_network,
            network,
            images,
            mask=ticket.mask,
            test=self.data.test,
            calibration=self.data.train.images[: CALIBRATION * size].split(size),
            forms=[name for name in FORMS if onnx or name != "onnx"],
            rounds=rounds,
            strict=False,
        )
        problems: dict[str, str] = {}
        files = write_and_verify(self.files / ticket.name, costs.forms, ticket.mask, images, problems)
        rows = []
        for row in costs.rows:
            path, difference = files.get(row["form"], (None, None))
            network_of_form = costs.forms[row["form"]].network
            values = {"file": path and str(path.relative_to(self.files.parent)), "file_difference": difference}
            if row["form"] in problems:
                values["note"] = f"its file is not the ticket: {problems[row['form']]}; {row['note']}"
            if len(self.data.validation) and network_of_form is not None:
                values["validation_accuracy"] = evaluate(network_of_form, self.data.validation).accuracy
            rows.append(COST.row({**self.place(ticket), **row, **values}))
        return rows

    def grid(self, ticket: TrainedTicket, bits: Sequence[int]) -> list[Row]:
        """Rows GRID: `ticket` in 32 bits, and with its weights rounded to each of `bits`."""

        def compute() -> list[Row]:
            return accuracy_grid(self.model, [(ticket.state, ticket.mask)], bits, self.data.test)

        key = f"weights rounded to {','.join(map(str, bits))} bits, test"
        return [row | self.place(ticket) for row in self.store.probed(ticket.run, key, compute)]

    def sensitivity(self, dense: TrainedTicket) -> list[Row]:
        """Rows SENSITIVITY of the dense network, on validation, else on train."""
        split = split_of(self.data)

        def compute() -> list[Row]:
            return sensitivity(self.model, dense.state, self.data, split=split)

        rows: list[Row] = self.store.probed(dense.run, f"sensitivity of each layer on {split}", compute)
        return rows

    def searched(
        self,
        ticket: TrainedTicket,
        results: Sequence[Mapping[str, Any]],
        batch_size: int,
        test: float | None,
        scoring: ScoreCost | None,
    ) -> Row:
        """A row TICKETS: the accuracy of `ticket`, and what finding it took by the `results` of its kind."""
        train = self.data.train
        search: SearchCost = search_cost(results, ticket.level, pace_of(self.model, train, batch_size), scoring)
        place = self.place(ticket)
        left = round(place["density"] * sum(self.sizes.values()))
        return place | {"weights_left": left, "test_accuracy": test} | search.row


def rounded_rows(grid: Sequence[Row], costs: Sequence[Row]) -> list[Row]:
    """Rows COST of `grid`, as forms `bits_N` for each width but 32: rounded weights that are kept as floats."""
    masked = {(row["kind"], row["level"]): row for row in costs if row["form"] in ("masked", DENSE)}
    dense = next(row for row in costs if row["form"] == DENSE)
    shared = (*(column.name for column in PLACE), "parameters", "flops")
    rounded: list[Row] = []
    for row in grid:
        if row["bits"] != 32:
            base = masked[row["kind"], row["level"]]
            rounded.append(
                {key: base[key] for key in shared}
                | {
                    "form": f"bits_{row['bits']}",
                    "nonzero": row["nonzero"],
                    "compression_ratio": dense["parameters"] / row["nonzero"] if row["nonzero"] else None,
                    "test_accuracy": row["test_accuracy"],
                    "test_accuracy_change": row["test_accuracy"] - dense["test_accuracy"],
                    "runs_as": "masked",
                    "note": f"weights rounded to {row['bits']} bits and kept as floats: saves neither bytes nor time",
                }
            )
    return [COST.row(row) for row in rounded]
