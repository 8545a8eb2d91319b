"""A loop of the user's: exact zeros, the same bits when it is resumed, and one line for what no training does."""

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR, OneCycleLR
from torch.utils.data import TensorDataset

from lth.core.errors import LotteryError
from lth.core.seeds import Seeds
from lth.lottery.levels import rewound
from lth.training.checkpoint import Checkpoint
from lth.training.custom import _name_untested
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import Judgement
from lth.training.loop import train
from lth.training.recipe import open_plan
from lth.training.run_spec import RunSpec
from tests.loops import break_off, broken_off, loop_spec

STEPS = 20
FINAL = {"test_mse": 1.0}


def network() -> nn.Module:
    """A network that draws in training."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def loss_of(run: Any, step: int) -> torch.Tensor:
    """The loss of a batch that comes from the step alone."""
    inputs = torch.randn(8, 4, generator=run.rng(step))
    return (run.model(inputs) - inputs.sum(1, keepdim=True)).square().mean()


def step_of(run: Any, step: int, *optimizers: torch.optim.Optimizer) -> float:
    """Makes a step; its loss."""
    loss = loss_of(run, step)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()


def fit(run: Any, steps: int = STEPS) -> dict[str, float]:
    """A plain loop."""
    optimizer = run.attach(torch.optim.Adam(run.model.parameters(), 0.05, weight_decay=0.1))
    for step in run.steps(steps):
        loss = step_of(run, step, optimizer)
        if step % 4 == 0:
            run.log(step, val_loss=loss)
    return {"test_mse": loss}


def scheduled(run: Any) -> dict[str, float]:
    """A loop with two optimisers, each with a schedule, clipping, a moving average, and draws from all generators."""
    first, last = run.model[0], run.model[3]
    sgd = torch.optim.SGD(first.parameters(), 0.1, momentum=0.9)
    adam = torch.optim.AdamW(last.parameters(), 0.1)
    schedules = [MultiStepLR(sgd, [5, 12], 0.5), OneCycleLR(adam, 0.1, total_steps=STEPS)]
    for optimizer, schedule in zip((sgd, adam), schedules, strict=True):
        run.attach(optimizer, schedule)
    average = torch.optim.swa_utils.AveragedModel(run.model)
    run.keep(average=average)
    for step in run.steps(STEPS):
        step_of(run, step, sgd, adam)
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        with torch.no_grad():
            first.bias += 0.01 * (torch.rand(8) + random.random() + np.random.rand())
        for schedule in schedules:
            schedule.step()
        average.update_parameters(run.model)
        run.log(step + 1, val_loss=average.module[0].weight.sum(), train_loss=np.float64(sgd.param_groups[0]["lr"]))
    return {"test_mse": average.module[0].weight.sum()}


def loading(run: Any) -> dict[str, float]:
    """A loop over the batches of a loader, of which a network with dropout predicts the sums."""
    optimizer = run.attach(torch.optim.SGD(run.model.parameters(), 0.05, momentum=0.9))
    inputs = torch.randn(20, 4, generator=run.rng(-1))
    batches = run.batches(TensorDataset(inputs, inputs.sum(1, keepdim=True)), batch_size=3)
    done = run.done
    for step in run.steps(STEPS):
        inputs, targets = batches[step]
        (run.model(inputs) - targets).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert run.done == step >= done and run.stop == STEPS
    return FINAL


@pytest.fixture
def make_spec(half_mask: Callable[..., Any]) -> Callable[..., RunSpec]:
    """A masked training of the small network by a loop."""

    def make(function: Callable[..., Any] = fit, rewind: int = 0, judgement: Judgement | None = None) -> RunSpec:
        torch.manual_seed(0)
        model = network()
        return loop_spec(model, half_mask(model), function, rewind, judgement)

    return make


@pytest.mark.parametrize("function", [fit, scheduled, loading])
@pytest.mark.parametrize("steps", [1, 9, STEPS - 1])
def test_a_killed_and_resumed_loop_gives_the_same_bits(make_spec, same_bits, tmp_path, function, steps):
    spec = make_spec(function)
    straight = train(spec)
    resumed = broken_off(spec, tmp_path / "checkpoint", steps)
    assert same_bits(resumed.final, straight.final)
    assert resumed.points == straight.points and resumed.measures == straight.measures


def test_a_checkpoint_of_another_loop_does_no_harm(make_spec, same_bits, tmp_path, caplog):
    break_off(make_spec(scheduled), tmp_path / "checkpoint", 3)
    result = train(make_spec(), checkpoint=Checkpoint(tmp_path / "checkpoint", float("inf"), {}))
    assert same_bits(result.final, train(make_spec()).final)
    assert "the training starts again" in caplog.text


@pytest.mark.parametrize("function", [fit, scheduled])
def test_pruned_weights_stay_exactly_zero_and_others_train(make_spec, function):
    spec = make_spec(function)
    final = train(spec).final
    for name, kept in spec.mask.items():
        assert not final[name][~kept].any()
        assert (final[name][kept] != spec.initial_state[name][kept]).any()
    assert not any(parameter._post_accumulate_grad_hooks for parameter in spec.model.parameters())


def test_the_rewind_point_is_where_a_shorter_training_ends_and_schedules_go_on_from_it(make_spec, same_bits):
    rates = []

    def with_rates(run: Any) -> dict[str, float]:
        optimizer = torch.optim.SGD(run.model.parameters(), 1.0)
        run.attach(optimizer, schedule := LambdaLR(optimizer, lambda step: 1 / (step + 10)))
        for step in run.steps(STEPS):
            rates.append((step, optimizer.param_groups[0]["lr"]))
            step_of(run, step, optimizer)
            schedule.step()
        return FINAL

    train(make_spec(with_rates))
    straight = dict(rates)
    rates.clear()
    later = rewound(make_spec(with_rates, rewind=7), train)
    assert [step for step, _ in rates] == list(range(7))
    train(replace(later, level=1))
    assert dict(rates) == straight
    assert same_bits(later.initial_state, rewound(make_spec(with_rates, rewind=7), train).initial_state)


def test_what_a_point_is_and_what_decides(make_spec):
    def logging(run: Any) -> dict[str, Any]:
        run.log(0, val_bleu=0.1)
        for step in run.steps(STEPS):
            if step == 9:
                run.log(10, val_bleu=torch.tensor(0.9))
                run.log(10, val_loss=np.float32(0.5), test_bleu=1)
        return {"test_bleu": 0.7, "train_bleu": 0.8, "test_loss": 3.0}

    spec = replace(make_spec(logging, judgement=Judgement("val_bleu")), mask={})
    result = train(spec)
    assert [point.iteration for point in result.points] == [0, 10, STEPS]
    assert result.early_stop.records() == {
        **{"iteration": 10, "lr": 0.0, "train_loss": None, "val_loss": 0.5},
        **{"val_bleu": result.points[1].val_bleu, "test_bleu": 1.0},
    }
    assert result.measures.primary.name == "bleu" and result.train == {"bleu": 0.8}
    assert result.points[-1].test_loss == 3.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_finite_number_is_a_divergence(make_spec, value):
    ends = []

    def diverging(run: Any, at: int) -> dict[str, float]:
        run.attach(torch.optim.SGD(run.model.parameters(), 0.1))
        for step in run.steps(STEPS):
            run.log(step, val_loss=value if step == at else 1.0)
        ends.append(at)
        return {"test_mse": value}

    for at in (3, STEPS):
        spec = make_spec()
        result = train(replace(spec, loop=CustomLoop(diverging, {"at": at})))
        assert result.status == "diverged" and "final" not in result.states
        assert result.message == (f"val_loss is {value} at step 3" if at == 3 else f"test_mse is {value} at the end")
    assert ends == [STEPS]


def before(run: Any) -> None:
    """Changes a weight too early."""
    nn.init.ones_(run.model[0].bias)
    fit(run)


def leaves(run: Any) -> dict[str, float]:
    """Does not go through all its steps."""
    for step in run.steps(STEPS):
        if step == 4:
            break
    return FINAL


def twice(run: Any) -> dict[str, float]:
    """Goes through its steps twice."""
    fit(run)
    return fit(run)


def stays_dense(run: Any) -> dict[str, float]:
    """Attaches no optimiser."""
    optimizer = torch.optim.Adam(run.model.parameters(), 0.1)
    for step in run.steps(STEPS):
        step_of(run, step, optimizer)
    return FINAL


def with_other(run: Any) -> dict[str, float]:
    """Has the optimiser of another network."""
    run.attach(torch.optim.SGD(network().parameters(), 0.1))
    return fit(run)


def late(run: Any) -> dict[str, float]:
    """Attaches its optimiser in the first step."""
    for _ in run.steps(STEPS):
        run.attach(torch.optim.SGD(run.model.parameters(), 0.1))
    return FINAL


def grows(run: Any) -> dict[str, float]:
    """Adds a module."""
    final = fit(run)
    run.model.add_module("more", nn.Linear(1, 1))
    return final


def returning(value: Any) -> Callable[..., Any]:
    """A loop that returns something."""

    def fit_(run: Any) -> Any:
        fit(run)
        return value

    return fit_


def logging(step: int = 0, **metrics: Any) -> Callable[..., Any]:
    """A loop that logs something in step 2."""

    def fit_(run: Any) -> Any:
        run.attach(torch.optim.SGD(run.model.parameters(), 0.1))
        for present in run.steps(STEPS):
            if present == 2:
                run.log(step or present, **metrics)
        return FINAL

    return fit_


def raising(run: Any) -> None:
    """Has a mistake of its own."""
    for step in run.steps(STEPS):
        {}["inputs"][step]


BAD = {
    "nothing returned": (returning(None), "returns None: return the final metrics by name"),
    "an empty dict": (returning({}), "returns a dict: return the final metrics"),
    "a word": (returning({"test_mse": "low"}), "fit returns test_mse, which is a str: give a number"),
    "a tensor of two": (returning({"test_mse": torch.ones(2)}), "which is a Tensor: give a number"),
    "a truth": (returning({"test_mse": True}), "which is a bool: give a number"),
    "no split": (returning({"perplexity": 3.0}), "a metric is called 'perplexity': begin it with its split"),
    "no direction": (returning({"test_thing": 3.0}), "better=thing: does it get better as it gets higher or lower"),
    "percents": (returning({"test_accuracy": 93.0}), "test_accuracy is 93: an accuracy is a share, 0 to 1"),
    "no number logged": (logging(val_loss=None), "run.log: val_loss is None: give a number"),
    "another step": (logging(step=9, val_loss=1.0), "run.log(9, ...) in step 2: log the present step"),
    "no steps": (lambda run: FINAL, "never calls run.steps"),
    "steps left": (leaves, "leaves run.steps in step 4 of 20: go through all of them"),
    "steps twice": (twice, "after run.steps: call it before"),
    "no attach": (stays_dense, "pruned weights of 0.weight are not zero at the end of fit: hold the mask"),
    "another's optimiser": (with_other, "a SGD with no weight of run.model: make it in fit"),
    "attached late": (late, "calls run.attach after run.steps"),
    "other weights": (before, "fit changes 0.bias before its first step"),
    "another network": (grows, "fit changes which tensors the network has: more.bias"),
    "a mistake": (raising, "raised KeyError: 'inputs' (test_custom.py, line"),
}


@pytest.mark.parametrize(("function", "line"), BAD.values(), ids=BAD)
def test_what_no_loop_does_is_one_line(make_spec, function, line):
    with pytest.raises(LotteryError) as caught:
        train(make_spec(function))
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("judgement", "line"),
    [
        (Judgement("val_error"), "decide=val_error: is never measured: fit measures test_mse, val_loss"),
        (Judgement(better=(("perplexity", "lower"),)), "better=perplexity: is never measured"),
    ],
)
def test_a_judgement_by_what_is_not_measured_is_one_line(make_spec, judgement, line):
    with pytest.raises(LotteryError, match=line):
        train(make_spec(judgement=judgement))


def test_without_a_metric_on_a_test_set_a_line_says_that_arms_are_not_compared(make_spec, caplog):
    _name_untested.cache_clear()
    train(make_spec(returning({"val_loss": 1.0})))
    assert "returns no metric on a test set" in caplog.text


def test_the_test_set_decides_nothing():
    with pytest.raises(LotteryError, match="the test set chooses nothing"):
        Judgement("test_loss")
    with pytest.raises(LotteryError, match="must be higher or lower"):
        Judgement(better=(("test_mse", "less"),))


def test_a_rewind_point_past_the_end_is_one_line(make_spec):
    spec = make_spec(rewind=STEPS)
    with pytest.raises(LotteryError, match=f"rewind={STEPS}: is past the end of a training of {STEPS} steps"):
        rewound(spec, train)
    with pytest.raises(LotteryError, match="must be in steps"):
        open_plan("2ep")


def test_all_that_is_random_comes_from_the_seed_and_the_step(make_spec):
    seen: list[Any] = []

    def drawing(run: Any) -> dict[str, float]:
        for step in run.steps(5):
            seen.append((step, torch.rand(1).item(), random.random(), np.random.rand(), run.rng(step).initial_seed()))
            torch.rand(step)
            seen.append(run.batch(step, 10, 4).tolist())
        return FINAL

    spec = replace(make_spec(drawing), mask={})
    train(spec)
    first = copy.copy(seen)
    seen.clear()
    train(replace(spec, level=3, arm="shuffle"))
    assert seen == first
    assert sorted(seen[1] + seen[3]) == sorted(set(seen[1] + seen[3])) and set(seen[1]) != set(seen[5])
    seen.clear()
    train(replace(spec, seeds=Seeds().resolved(1)))
    assert not set(map(str, seen)) & set(map(str, first))


def test_the_weights_of_an_iteration_are_kept_on_request(make_spec, same_bits):
    spec, shorter = make_spec(), make_spec(rewind=7)
    assert same_bits(train(spec, keep_at=[7]).at(7), rewound(shorter, train).initial_state)
