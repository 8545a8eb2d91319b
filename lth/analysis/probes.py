'''Probes: measurements of every arm at every level of a search, which change nothing. Yours work as ours do.

    import math
    import lth
    from lth.core.tables import Column

    @lth.probe(columns=(Column("weight_norm", float, "", "the L2 norm of the trained parameters"),))
    def weight_norm(inputs):
        """The L2 norm of all trained parameters."""
        parameters = dict(inputs.spec.model.named_parameters())
        return {"weight_norm": math.sqrt(sum(float(inputs.result.final[name].square().sum()) for name in parameters))}

`lth imp 'probes=[distance,my_module:weight_norm]'` then has the column `weight_norm` in probes.csv and in W&B. A
package names its probes as entry points of the group `lth.probes`.
'''

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lth.analysis.monitor import Monitor, shifted
from lth.core.errors import SettingError
from lth.core.registry import Registry
from lth.core.tables import Column, Row, Table

if TYPE_CHECKING:  # torch: reports take the columns alone
    from lth.analysis.lines import Remember
    from lth.analysis.peers import Peers, TrainedArm
    from lth.core.weights import State
    from lth.data.tensors import Data
    from lth.training.run_result import RunResult
    from lth.training.run_spec import Progress, RunSpec

PLACE = (
    Column("run", str, "", "the training that is measured: its folder in the store"),
    Column("level", int, "", "how often the network was pruned; 0 is dense", required=True, at_least=0),
    Column("arm", str, "", "what was trained: the ticket or a control", required=True),
    Column("draw", int, "", "the number of the draw, for arms that are random", required=True, at_least=0),
)
"""The columns that every table of probes begins with: which trained network a row is about."""
LINE_EXAMPLES = Column(
    "line_examples", int, "examples", "the examples of each split that barriers are measured on; empty for all"
)
PROBES_TABLE = Table(
    "probes",
    (*PLACE, Column("density", float, "0..1", "kept / prunable weights of the level"), LINE_EXAMPLES),
    key=("level", "arm", "draw"),
    meaning="a trained arm, and what the probes measured of it",
    always=False,
)
"""The table `probes` without the columns of any probe."""


@dataclass(frozen=True)
class ProbeInputs:
    """One trained network, for a probe to measure.

    level, arm, draw: which one it is. spec: its training; `spec.model` is the architecture, on the device of `data`,
    with arbitrary weights. result: what came of it; `result.final` are the trained weights, pruned ones at zero.
    solution: the level's pruned solution (the trained weights that its mask was scored on, pruned by it and not trained
    again), to compare with; None at level 0, and for a network of other shapes (`small_dense`). peers: the other
    networks of the level. examples: how many examples of each split are enough for slow measurements; None for all.
    dense, previous: the tickets of level 0 and of the level right before this one; None where they diverged, were not
    trained, or there is none.

    remember: a value that is kept with the run, under a key that must name whatever else it depends on. record: adds
    rows to a further table that the probe declares. progress: may be called with the number of the probe's steps done.
    """

    level: int
    arm: str
    draw: int
    spec: "RunSpec"
    result: "RunResult"
    solution: "State | None"
    data: "Data"
    peers: "Peers"
    examples: int | None
    dense: "TrainedArm | None"
    previous: "TrainedArm | None"
    remember: "Remember"
    record: Callable[[str, Iterable[Row]], None]
    progress: "Progress"


Measure = Callable[[ProbeInputs], Mapping[str, Any]]
"""Takes a trained network; returns the values of the probe's columns, of those that apply to it."""


@dataclass(frozen=True)
class Probe:
    """A measurement by its name, with the columns that it fills in the table `probes`, and further tables of its own.

    steps: of its progress for one network. classes: whether it compares the classes that networks predict. evaluates:
    whether it needs data to evaluate networks on, which a user's own training loop may not bring.
    """

    name: str
    measure: Measure
    columns: tuple[Column, ...]
    tables: tuple[Table, ...] = ()
    steps: int = 1
    classes: bool = False
    evaluates: bool = False

    def __call__(self, inputs: ProbeInputs) -> Mapping[str, Any]:
        """What it measures of one network."""
        return self.measure(inputs)

    @property
    def meaning(self) -> str:
        """The first line of its docstring."""
        return (self.measure.__doc__ or "").split("\n")[0]


def probe(
    *,
    columns: Sequence[Column],
    tables: Sequence[Table] = (),
    steps: int = 1,
    classes: bool = False,
    evaluates: bool = False,
) -> Callable[[Measure], Probe]:
    """Makes a probe of a function; `columns` and `tables` are all that CSV files, W&B and documentation need to know.

    Tables beyond `probes` begin with the columns PLACE, which are filled in. A column that the function returns no
    value for stays empty. classes: whether it needs a task with classes; evaluates: whether it needs data.
    """

    def decorate(measure: Measure) -> Probe:
        name = getattr(measure, "__name__", "probe")
        return Probe(name, measure, tuple(columns), tuple(tables), steps, classes, evaluates)

    return decorate


def _checked(thing: object, name: str) -> Probe:
    if not isinstance(thing, Probe):
        raise SettingError("probes", name, "is not a probe: decorate the function with @lth.probe(columns=...)")
    return thing


def _add_ours() -> None:
    for ours in import_module("lth.analysis.level_probes").PROBES_OF_LTH:
        PROBES.add(ours.name, ours)


PROBES: Registry[Probe] = Registry("probe", "lth.probes", load=_add_ours, make=_checked)
"""The probes by name."""


def tables_of(names: Sequence[str]) -> tuple[Table, ...]:
    """The tables that the probes `names` fill: `probes`, with the columns of lth's own probes always, and further ones.

    Raises SettingError naming a probe that there is not, or that declares a column which another has, too.

    >>> [table.name for table in tables_of(["distance", "interpolation"])]
    ['probes', 'lines']
    """
    chosen = [PROBES.get(name, "probes") for name in names]
    ours = import_module("lth.analysis.level_probes").PROBES_OF_LTH
    every = list(dict.fromkeys([*ours, *chosen]))
    declared: dict[str, str] = {column.name: "every table of probes" for column in PROBES_TABLE.columns}
    for one in every:
        for column in one.columns:
            if column != LINE_EXAMPLES and column.name in declared:
                problem = f"declares the column {column.name}, which {declared[column.name]} has already"
                raise SettingError("probes", one.name, problem)
            declared[column.name] = one.name
    table = PROBES_TABLE.plus(*(column for one in every for column in one.columns if column != LINE_EXAMPLES))
    return (table, *dict.fromkeys(table for one in chosen for table in one.tables))


class LevelProbes:
    """The probes `names`, to be run on the arms of one level after another.

    remember: (run, key, compute) -> the value that is kept with the run, else computed and kept. examples: as in
    `ProbeInputs`. tables: those that they fill. Raises SettingError as `tables_of` does.
    """

    def __init__(
        self,
        names: Sequence[str],
        data: "Data",
        remember: Callable[[str, str, Callable[[], Any]], Any],
        examples: int | None = None,
    ) -> None:
        self.tables = tables_of(names)
        self._by_name = {table.name: table for table in self.tables}
        self._probes = [PROBES.get(name, "probes") for name in dict.fromkeys(names)]
        self._data, self._remember, self._examples = data, remember, examples
        self._tickets: dict[int, TrainedArm] = {}  # level -> its ticket: those of level 0 and of the last level
        for one in self._probes:
            if one.evaluates and not len(data.train):
                problem = "evaluates networks on data, and your own loop brings none that lth knows"
                raise SettingError("probes", one.name, problem)
            if one.classes and data.task.targets != "classes":
                problem = f"compares the classes that networks predict, and the task {data.task.measures.task} has none"
                raise SettingError("probes", one.name, problem)

    def measure(self, trained: "Sequence[TrainedArm]", monitor: Monitor) -> list[tuple[str, Row]]:
        """What the probes measure of the `trained` arms of one level, as (name of a table, row).

        A training that diverged has no row.
        """
        done = [one for one in trained if one.result.status == "done"]
        if not self._probes or not done:
            return []
        from lth.analysis.peers import Peers

        peers = Peers(done, self._data)
        steps = sum(one.steps for one in self._probes)
        progress = monitor(f"level {done[0].level.index}, probes", steps * len(done))
        rows: list[tuple[str, Row]] = []
        for number, one in enumerate(done):
            rows += self._rows(one, peers, shifted(progress, steps * number))
        here = {one.level.index: one for one in done if one.arm == "ticket"}
        self._tickets = {level: one for level, one in self._tickets.items() if level == 0} | here
        return rows

    def _rows(self, one: "TrainedArm", peers: "Peers", progress: "Progress") -> Iterator[tuple[str, Row]]:
        place = {"run": one.result.run, "level": one.level.index, "arm": one.arm, "draw": one.draw}
        values: Row = {}
        further: list[tuple[str, Row]] = []

        from lth.analysis.peers import same_shapes

        def record(table: str, rows: Iterable[Row]) -> None:
            further.extend((table, self._by_name[table].row(place, **row)) for row in rows)

        before = 0
        one.spec.model.to(self._data.test.device)
        for each in self._probes:
            inputs = ProbeInputs(
                one.level.index,
                one.arm,
                one.draw,
                one.spec,
                one.result,
                peers.solution.state if peers.solution is not None and same_shapes(one) else None,
                self._data,
                peers,
                self._examples,
                self._tickets.get(0),
                self._tickets.get(one.level.index - 1),
                partial(self._remember, one.result.run),
                record,
                shifted(progress, before),
            )
            values |= each(inputs)
            before += each.steps
            progress(before)
        yield PROBES_TABLE.name, self._by_name[PROBES_TABLE.name].row(place, density=one.level.density, **values)
        yield from further
