"""A fingerprint covers all that a training's result depends on, and nothing else."""

import importlib
import json
import sys
import textwrap
from dataclasses import replace

import pytest
import torch
from torch import nn

from lth.core.seeds import Seeds
from lth.data.tensors import Data, Split
from lth.pruning.scores import SCORES
from lth.pruning.select import Selection
from lth.pruning.updates import GradualCounts, GradualPruning, RigL, Set
from lth.store.fingerprint import architecture, fingerprint, fingerprint_inputs
from lth.training.recipe import Plan, Recipe, plan
from lth.training.run_spec import RunSpec


def name_of(spec):
    return fingerprint(fingerprint_inputs(spec))


def test_the_same_training_has_the_same_fingerprint(spec):
    state = {name: x.clone() for name, x in spec.initial_state.items()}
    other = replace(spec, initial_state=state, data=spec.data.to(torch.device("cpu")))
    assert name_of(spec) == name_of(other)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 1.3e-3},
        {"iterations": 41},
        {"optimizer": "adamw"},
        {"weight_decay": 1e-4},
        {"betas": [0.9, 0.98]},
        {"schedule": "cosine"},
        {"evaluate_every": 7},
        {"batch_size": 11},
        {"test": "always"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_recipe_has_another_fingerprint(spec, change):
    recipe = {"iterations": 40, "batch_size": 10, "evaluate_every": 10}
    first = replace(spec, plan=plan(Recipe(**recipe), len(spec.data.train)))
    second = replace(spec, plan=plan(Recipe(**{**recipe, **change}), len(spec.data.train)))
    assert name_of(first) != name_of(second)


def test_durations_in_epochs_and_iterations_are_one_fingerprint(spec):
    size = len(spec.data.train)
    epochs, iterations = (
        plan(Recipe(iterations="2ep", batch_size=10), size),
        Recipe(iterations=2 * (size // 10), batch_size=10),
    )
    assert name_of(replace(spec, plan=epochs)) == name_of(replace(spec, plan=plan(iterations, size)))


def test_start_mask_data_and_order_are_in_the_fingerprint(spec):
    name = next(iter(spec.mask))
    start = {**spec.initial_state, name: spec.initial_state[name] + 1}
    mask = {**spec.mask, name: ~spec.mask[name]}
    train = replace(spec.data.train, labels=spec.data.train.labels.flip(0))
    changed = [
        replace(spec, initial_state=start),
        replace(spec, mask=mask),
        replace(spec, data=replace(spec.data, train=train)),
        replace(spec, seeds=replace(spec.seeds, order=99)),
    ]
    assert len({name_of(spec), *map(name_of, changed)}) == 5


def test_seeds_that_play_no_part_are_not_in_the_fingerprint(spec):
    assert name_of(spec) == name_of(
        replace(spec, seeds=Seeds(init=5, order=spec.seeds.order, augment=5, mask=5, split=5))
    )
    augmented = replace(spec, data=replace(spec.data, augment="flip_crop"))
    assert name_of(augmented) != name_of(replace(augmented, seeds=replace(spec.seeds, augment=5)))


class Leaky(nn.Module):
    """What it is called with shows nowhere in how it prints."""

    def __init__(self, slope, activation=torch.relu):
        super().__init__()
        self.slope, self.activation = slope, activation


def test_what_a_module_does_not_print_is_in_the_fingerprint():
    assert architecture(Leaky(0.1)) == architecture(Leaky(0.1)) != architecture(Leaky(5.0))
    assert architecture(Leaky(0.1, torch.tanh)) != architecture(Leaky(0.1))
    assert architecture(Leaky(0.1, lambda x: x)) != architecture(Leaky(0.1, lambda x: x + 1))
    assert architecture(nn.MultiheadAttention(16, 1)) != architecture(nn.MultiheadAttention(16, 4))
    layers = [nn.TransformerEncoderLayer(8, 2, norm_first=first) for first in (True, False)]
    assert architecture(layers[0]) != architecture(layers[1])


def test_a_fingerprint_is_the_same_in_another_process(command, tmp_path):
    code = (
        "import json, sys; from torch import nn; from lth.store.fingerprint import architecture;"
        "print(json.dumps(architecture(nn.TransformerEncoderLayer(8, 2))))"
    )
    shown = command(cwd=tmp_path, code=code).stdout
    assert json.loads(shown) == json.loads(json.dumps(architecture(nn.TransformerEncoderLayer(8, 2))))


def test_the_dense_network_has_one_fingerprint_for_every_pruning(spec):
    unpruned = {name: torch.ones_like(mask) for name, mask in spec.mask.items()}
    first = dict(list(unpruned.items())[:1])
    assert (
        name_of(replace(spec, mask=unpruned)) == name_of(replace(spec, mask=first)) == name_of(replace(spec, mask={}))
    )


def test_the_way_to_a_rewind_point_does_not_depend_on_what_comes_after(spec):
    size = len(spec.data.train)
    plans = [plan(Recipe(iterations=count, batch_size=10), size, 0, 20) for count in (40, 60)]
    assert name_of(replace(spec, plan=plans[0])) == name_of(replace(spec, plan=plans[1]))
    plans = [plan(Recipe(iterations=count, batch_size=10, schedule="cosine"), size, 0, 20) for count in (40, 60)]
    assert name_of(replace(spec, plan=plans[0])) != name_of(replace(spec, plan=plans[1]))


def test_arguments_and_dropout_of_a_model_are_in_the_fingerprint(spec):
    wide = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.Dropout(0.1), nn.Linear(16, 3))
    other = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.Dropout(0.2), nn.Linear(16, 3))
    assert architecture(wide) != architecture(other)


def test_what_is_frozen_is_in_the_fingerprint():
    free, frozen = nn.Linear(8, 3), nn.Linear(8, 3)
    frozen.weight.requires_grad_(False)
    assert architecture(free) != architecture(frozen)


def test_a_changed_forward_has_another_fingerprint(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    source = """
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(8, 3)
            def forward(self, x):
                return self.fc(x) * {factor}
    """
    sources = []
    for factor in (1, 2):
        (tmp_path / "base.py").write_text(textwrap.dedent(source.format(factor=factor)))
        (tmp_path / "net.py").write_text("import base\nclass Mine(base.Net):\n    pass\n")
        for name in ("base", "net"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        module = importlib.import_module("net")
        sources.append(architecture(module.Mine())["sources"])
    assert sources[0].keys() == sources[1].keys() == {"base.Net", "net.Mine"}
    assert sources[0]["base.Net"] != sources[1]["base.Net"]


def test_the_hash_of_known_inputs_does_not_change():
    """Stored runs would be trained again: raise LOOP instead when the loop gives other results."""
    assert fingerprint({"loop": 1, "plan": {"lr": 0.0012}}) == "32f16a72435116615f0d"


@pytest.mark.parametrize(
    ("masked", "known"), [(False, "20e86b2168d3118aeb01"), (True, "d5593a10e60f6dd25762")], ids=["dense", "masked"]
)
def test_a_training_whose_mask_stays_keeps_its_known_fingerprint(masked, known):
    """The hash before there were masks that change; counted values, since random ones may differ between machines."""
    labels = torch.arange(12) % 3
    split = Split(torch.arange(48.0).reshape(12, 1, 2, 2), labels)
    mask = {"1.weight": torch.arange(12).reshape(3, 4) % 2 == 0} if masked else {}
    start = {"1.weight": torch.arange(12.0).reshape(3, 4), "1.bias": torch.zeros(3)}
    how = Plan(0, 7, 9, 4, "sgd", 0.1, 0.9, False, 0.0, "weights", "constant", (), 1.0, 0, 3, "improved")
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), Data("counted", split, split, split, 3)
    inputs = fingerprint_inputs(RunSpec(model, start, mask, data, how, Seeds(order=5).resolved()))
    assert fingerprint(inputs | {"model": "counted"}) == known  # a module's settings depend on torch's version


def test_a_field_of_a_plan_that_is_younger_counts_where_it_differs(spec):
    """So that what was trained before there was such a setting stays found."""
    known = fingerprint_inputs(spec)["plan"]
    assert not known.keys() & {"precision", "kernels"}
    changed = fingerprint_inputs(replace(spec, plan=replace(spec.plan, precision="bfloat16")))["plan"]
    assert changed == known | {"precision": "bfloat16"}


UPDATES = [
    GradualPruning(0.2, 5, 25, 5),
    GradualPruning(0.2, 5, 25, 10),
    GradualPruning(0.3, 5, 25, 5),
    Set(0.3, 5),
    RigL(0.3, 5),
    RigL(0.3, 5, 20),
    RigL(0.2, 5),
    RigL(0.3, 5, examples=100),
]


def test_what_changes_the_mask_is_in_the_fingerprint(spec):
    assert len({name_of(spec), *(name_of(replace(spec, update=update)) for update in UPDATES)}) == 1 + len(UPDATES)
    assert name_of(replace(spec, update=Set(0.3, 5))) == name_of(replace(spec, update=Set(0.3, 5)))
    inputs = fingerprint_inputs(replace(spec, update=UPDATES[0]))
    assert json.loads(json.dumps(inputs)) == inputs  # as it is compared with what was kept


def test_the_seed_of_masks_is_in_the_fingerprint_where_growth_is_drawn(spec):
    for update in UPDATES:
        first = replace(spec, update=update)
        second = replace(first, seeds=replace(spec.seeds, mask=5))
        assert (name_of(first) != name_of(second)) == isinstance(update, Set)


def test_with_an_update_whole_layers_and_the_schedules_length_are_in_the_fingerprint(spec):
    unpruned = replace(spec, mask={name: torch.ones_like(mask) for name, mask in spec.mask.items()}, update=UPDATES[0])
    fewer = replace(unpruned, mask=dict(list(unpruned.mask.items())[:1]))
    assert name_of(unpruned) != name_of(fewer)
    longer = replace(spec, plan=replace(spec.plan, total=spec.plan.total + 1))
    assert name_of(spec) == name_of(longer)
    assert name_of(replace(spec, update=Set(0.3, 5))) != name_of(replace(longer, update=Set(0.3, 5)))


def test_helpers_of_a_score_that_prunes_in_training_are_in_the_fingerprint(spec, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    code = "import lth\nfrom helping import factor\n\n@lth.score\ndef scaled(inputs):\n    return inputs.weights\n"
    (tmp_path / "scoring.py").write_text(code)
    selection = Selection({"all": list(spec.mask)})
    seen = []
    for factor in (1, 2):
        (tmp_path / "helping.py").write_text(f"factor = {factor}\n")
        for name in ("scoring", "helping"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        monkeypatch.setitem(SCORES._known, "scoring:scaled", importlib.import_module("scoring").scaled)
        seen.append(fingerprint_inputs(replace(spec, update=GradualCounts("scoring:scaled", selection, {}, 5, 25, 5))))
    first, second = (inputs["update"] for inputs in seen)
    assert first["source"] == second["source"] and first["helpers"] != second["helpers"]
