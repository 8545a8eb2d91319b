"""A probe from outside: its columns and tables, what is kept of it, and what is wrong with it in one line."""

import math
from dataclasses import replace

import pytest

import lth
from lth.analysis.level_probes import PROBES_OF_LTH
from lth.analysis.probes import PLACE, PROBES, LevelProbes, Probe, tables_of
from lth.core.errors import SettingError
from lth.core.tables import Column, Table
from lth.lottery.arms import outcomes
from lth.lottery.context import context_of
from lth.lottery.levels import levels
from lth.models.initialize import initialize
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.pruning.updates import Rewiring
from lth.report.wandb.levels import measured_columns
from lth.store.runs import Store

MODULE = """
import math

import lth
from lth.core.tables import Column


@lth.probe(columns=(Column("weight_norm", float, "", "the L2 norm of the trained parameters"),))
def weight_norm(inputs):
    "The L2 norm of all trained parameters."
    names = [name for name, _ in inputs.spec.model.named_parameters()]
    return {"weight_norm": math.sqrt(sum(float(inputs.result.final[name].square().sum()) for name in names))}


def not_a_probe(inputs):
    return {}
"""
LAYER_NORMS = Table("layer_norms", (*PLACE, Column("layer", str, "", "the layer"), Column("norm")), key=("layer",))


@pytest.fixture(scope="module")
def level(tmp_path_factory, make_job):
    """The store, and the ticket and reinit of level 1."""
    store, spec = Store(tmp_path_factory.mktemp("store")), make_job()
    fresh = lambda seed: initialize(spec.model, "glorot_normal", seed)  # noqa: E731
    rounds = levels(spec, resolve(spec.model, Pruning(fraction=0.3), 1), store.train)
    context = context_of(spec.model, spec.initial_state, fresh, Rewiring())
    return store, list(outcomes(rounds, ["ticket", "reinit"], store.train, context))[1:]


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """What a test adds to the registry is gone afterwards."""
    list(PROBES)  # so that those of lth are there
    monkeypatch.setattr(PROBES, "_known", dict(PROBES._known))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a user, in the current folder."""
    (tmp_path / "my_probes.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return "my_probes"


def unmonitored(what, count):
    return lambda done: None


def test_a_probe_by_its_path_has_its_column_after_those_of_lth(level, data, module):
    store, trained = level
    probes = LevelProbes(["distance", f"{module}:weight_norm"], data, store.probed)
    (table,) = probes.tables
    assert table.names == [*tables_of([])[0].names, "weight_norm"]
    assert table.by_name["weight_norm"].meaning == "the L2 norm of the trained parameters"
    assert probes.tables[0].names == [*tables_of([])[0], "weight_norm"]
    assert measured_columns(probes.tables) == (*measured_columns(tables_of([])), "weight_norm")  # in W&B, too
    for (name, row), outcome in zip(probes.measure(trained, unmonitored), trained, strict=True):
        final = outcome.result.final
        norm = math.sqrt(sum(float(final[key].square().sum()) for key, _ in outcome.spec.model.named_parameters()))
        assert name == "probes" and list(row) == table.names and row["weight_norm"] == pytest.approx(norm)
        assert row["distance_to_init"] > 0 and row["train_loss_barrier"] is None


def test_what_a_probe_is_given(level, data):
    store, trained = level
    given = {}

    @lth.probe(columns=(Column("number", int),), tables=(LAYER_NORMS,), steps=2)
    def curious(inputs):
        """Keeps what it is given."""
        given[inputs.arm] = inputs
        inputs.record("layer_norms", ({"layer": name, "norm": 1.0} for name in inputs.spec.mask))
        inputs.progress(1)
        return {"number": inputs.remember("number", lambda: len(given))}

    assert isinstance(curious, Probe) and curious.name == "curious" and curious.meaning == "Keeps what it is given."
    PROBES.add("curious", curious)
    steps = []
    probes = LevelProbes(["curious"], data, store.probed, 7)
    rows = probes.measure(trained, lambda what, count: steps.append(count) or steps.append)
    assert steps == [4, 1, 2, 3, 4] and [table.name for table in probes.tables] == ["probes", "layer_norms"]
    ticket = given["ticket"]
    assert (ticket.level, ticket.draw, ticket.examples) == (1, 0, 7) and ticket.data is data
    assert ticket.spec is trained[0].spec and ticket.result is trained[0].result
    assert all(not ticket.solution[name][~kept].any() for name, kept in ticket.spec.mask.items())
    assert list(ticket.peers.arms) == ["ticket", "reinit"]
    norms = [row for name, row in rows if name == "layer_norms" and row["arm"] == "reinit"]
    assert [row["layer"] for row in norms] == list(ticket.spec.mask) and list(norms[0]) == LAYER_NORMS.names
    assert [row["number"] for name, row in rows if name == "probes"] == [1, 2]
    again = LevelProbes(["curious"], data, Store(store.folder).probed)
    given.clear()
    assert [row["number"] for name, row in again.measure(trained, unmonitored) if name == "probes"] == [1, 2]


def test_what_is_wrong_with_a_probe_is_one_line(module, level, data):
    with pytest.raises(SettingError, match="probes=luck: is no probe; known: distance, interpolation, agreement"):
        tables_of(["distance", "luck"])
    with pytest.raises(SettingError, match="probes=distances: is no probe; did you mean distance"):
        tables_of(["distances"])
    with pytest.raises(SettingError, match="probes=my_probes:not_a_probe: is not a probe: decorate"):
        tables_of([f"{module}:not_a_probe"])
    PROBES.add("twin", replace(PROBES.get("distance", ""), name="twin"))
    with pytest.raises(SettingError, match="probes=twin: declares the column distance_to_init, which distance has"):
        tables_of(["twin"])

    @lth.probe(columns=())
    def generous(inputs):
        return {"surprise": 1.0}

    PROBES.add("generous", generous)
    with pytest.raises(KeyError, match="declares no column surprise"):
        LevelProbes(["generous"], data, level[0].probed).measure(level[1], unmonitored)


def test_every_column_of_ours_says_what_it_means():
    for one in PROBES_OF_LTH:
        assert one.meaning
        for column in [*one.columns, *(column for table in one.tables for column in table.columns)]:
            assert column.meaning, column.name
