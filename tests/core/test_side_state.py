"""What a network keeps beside its state dict goes back to where it began, wherever it is kept."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn

from lth.core.keeping import copied, kept, take
from lth.core.places import is_plain
from lth.core.side_state import SideState, load_side_state

CALLS = 0
NUMBERS = np.random.default_rng(3)


class Ramp:
    __slots__ = ("past", "step")

    def __init__(self):
        self.step, self.past = 0, [0]


class Stateful(nn.Module):
    """Keeps its number of calls in every way there is."""

    of_class = 0

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.register_buffer("buffer", torch.zeros(()), persistent=False)
        self.number, self.items, self.by_name, self.unique = 0, [], {"n": 0}, set()
        self.tensor, self.array, self.ramp = torch.zeros(2), np.zeros(2), Ramp()
        self.teacher = [nn.BatchNorm1d(2)]
        self.generator, self.draws, self.numbers = (
            torch.Generator().manual_seed(0),
            random.Random(0),
            np.random.default_rng(0),
        )
        self.inner = nn.Sequential(nn.Linear(2, 2))
        self.inner[0].past = ()
        self.count = self._counter()

    def _counter(self):
        calls = 0

        def count():
            nonlocal calls
            calls += 1
            count.calls = getattr(count, "calls", 0) + 1
            return calls

        count.calls = 0
        return count

    def forward(self, x):
        global CALLS
        CALLS += 1
        type(self).of_class += 1
        self.number += 1
        self.items.append(self.number)
        self.by_name["n"] += 1
        self.unique.add(self.number)
        self.buffer += 1
        self.tensor = self.tensor + 1
        self.array[0] += 1
        self.ramp.step += 1
        self.ramp.past[0] += 1
        self.inner[0].past += (self.number,)
        self.new = x * 2
        noise = torch.rand(1, generator=self.generator) + self.draws.random() + self.numbers.random() + NUMBERS.random()
        return self.teacher[0](self.fc(x)) + noise + self.count()


def signature(model):
    """All of it, as text; what is drawn next stands for a generator."""
    drawn = copy.deepcopy([model.draws, model.numbers, NUMBERS])
    counters = [CALLS, type(model).of_class, model.number, model.ramp.step, model.count.calls]
    counters.append(model.count.__closure__[0].cell_contents)
    held = [model.items, model.by_name, model.unique, model.ramp.past, model.inner[0].past, hasattr(model, "new")]
    tensors = [model.buffer, model.tensor, model.array, model.teacher[0].running_mean]
    return repr([counters, held, tensors, model.generator.get_state().sum(), [one.random() for one in drawn]])


def test_a_measurement_leaves_it_as_it_was():
    model = Stateful()
    before = signature(model)
    with kept(model):
        model(torch.ones(3, 2))
        assert signature(model) != before
    assert signature(model) == before


def test_each_training_starts_from_the_first_ones_start():
    model = Stateful()
    model(torch.ones(3, 2))
    start, side = signature(model), SideState(model)
    after = []
    for _ in range(3):
        with side.training():
            assert signature(model) == start
            for _ in range(2):
                model(torch.ones(3, 2))
        after.append(signature(model))
    assert after[0] == after[1] == after[2] != start
    side.rewind()
    assert signature(model) == start


def test_objects_stay_the_same_objects():
    model = Stateful()
    items, ramp, side = model.items, model.ramp, SideState(model)
    with side.training():
        model(torch.ones(3, 2))
    side.rewind()
    assert model.items is items == [] and model.ramp is ramp


def test_what_the_user_changes_between_trainings_counts():
    model = Stateful()
    model.scale = 1
    side = SideState(model)
    with side.training():
        model(torch.ones(3, 2))
    model.scale = 2
    side.rewind()
    assert (model.scale, model.number) == (2, 0)


def test_two_specs_of_one_network_share_a_start():
    model = Stateful()
    start, sides = signature(model), [SideState(model), SideState(model)]
    for side in sides:
        with side.training():
            assert signature(model) == start
            model(torch.ones(3, 2))


def test_what_is_kept_comes_back_in_another_process_too():
    """But for what lies outside of the network, such as a closure: it is named."""
    model, other = Stateful(), Stateful()
    side, there = SideState(model), SideState(other)
    del model.teacher, other.teacher
    for one in (model, other):
        one.teacher = [nn.Identity()]
    with side.training():
        for _ in range(2):
            model(torch.ones(3, 2))
        tensors = pickle.loads(pickle.dumps(side.packed()))
        wanted = (model.number, model.items, model.ramp.step, model.ramp.past, model.inner[0].past, model.buffer)
        draw = torch.rand(1, generator=model.generator), model.draws.random(), model.numbers.random()
    del side
    load_side_state(other, tensors)
    assert (other.number, other.items, other.ramp.step, other.ramp.past, other.inner[0].past, other.buffer) == wanted
    assert torch.equal(other.new, model.new)
    assert (torch.rand(1, generator=other.generator), other.draws.random(), other.numbers.random()) == draw
    there.rewind()
    assert (other.number, other.items, other.ramp.step, hasattr(other, "new")) == (0, [], 0, False)


def test_what_cannot_be_kept_is_named_once(caplog):
    model = Stateful()
    side = SideState(model)
    with side.training():
        model(torch.ones(3, 2))
        for _ in range(2):
            assert "number" in side.packed() and not side.complete
    assert [record.message for record in caplog.records] == [
        "teacher (BatchNorm1d) changes in training and cannot be kept: kept weights do without it"
    ]


def test_networks_of_torch_have_none():
    assert take(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())) == {}


def test_a_copy_can_be_made_of_whatever_a_network_keeps():
    model = Stateful()
    model(torch.ones(3, 2, requires_grad=True) * 2)
    model.source = (x for x in [1])
    assert model.new.grad_fn is not None
    other = copied(model)
    assert torch.equal(other.new, model.new) and other.new.grad_fn is None and other.source is model.source
    assert other.items == model.items and other.items is not model.items


@pytest.mark.parametrize("form", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_side_state_is_made_anew_with_its_network(form):
    side = SideState(nn.Linear(2, 2))
    model, other = form((side.model, side))
    assert other.model is model


def test_a_copy_has_the_hooks_of_parameters():
    model = nn.Linear(2, 2)
    model.weight.register_hook(lambda gradient: gradient * 0)
    after: list[int] = []
    model.weight.register_post_accumulate_grad_hook(lambda weight: after.append(1))
    other = copied(model)
    other(torch.ones(1, 2)).sum().backward()
    assert not other.weight.grad.any() and other.bias.grad.all() and after == [1] and model.weight.grad is None


def test_a_layer_of_torch_that_calls_code_of_the_users_is_not_plain():
    layer = nn.TransformerEncoderLayer(4, 2, activation=nn.functional.relu)
    assert is_plain(layer)
    layer.activation = lambda x: x.relu()
    assert not is_plain(layer)


STEPS = {"n": 0}
PAST = [0]


class Outside(nn.Module):
    """Counts in a dict and a list outside of itself, in an object that a hook holds, and in a default argument."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        ramp, log = Ramp(), []
        self.ramp_of_hook = ramp

        def hook(module, inputs, output):
            ramp.step += 1
            log.append(1)

        self.fc.register_forward_hook(hook)
        self.log = lambda: log

    def forward(self, x, counts={"calls": 0}):  # noqa: B006
        STEPS["n"] += 1
        STEPS["new"] = STEPS.get("new", 0) + 1
        PAST[0] += 1
        counts["calls"] += 1
        return self.fc(x)


def test_numbers_in_things_outside_go_back_and_logs_stay():
    model = Outside()
    side = SideState(model)
    for _ in range(2):
        with side.training():
            for _ in range(3):
                model(torch.ones(1, 2))
        assert STEPS == {"n": 3, "new": 3} and PAST == [3] and model.ramp_of_hook.step == 3
        assert Outside.forward.__defaults__ == ({"calls": 3},)
    side.rewind()
    assert STEPS == {"n": 0} and PAST == [0] and model.ramp_of_hook.step == 0 and len(model.log()) == 6
