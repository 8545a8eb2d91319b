"""Durations, plans and rates: each setting in its range, each schedule as torch has it."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SettingError
from lth.training.recipe import Plan, Recipe, iterations_of, plan


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 5000))
def test_a_duration_is_epochs_and_iterations(epochs: int, iterations: int, per_epoch: int) -> None:
    expected = epochs * per_epoch + iterations
    assert iterations_of(f"{epochs}ep{iterations}it", per_epoch) == expected
    assert iterations_of(f"{epochs}ep", per_epoch) == epochs * per_epoch
    assert iterations_of(f"{iterations}it", per_epoch) == iterations_of(iterations, per_epoch) == iterations
    assert iterations_of(f" {iterations} ", per_epoch) == iterations


@pytest.mark.parametrize(
    "text", ["", "ep", "it", "-1", "2.5", "1e3", "5it2ep", "2 ep", "2epochs", "ten", None, True, 1.5]
)
def test_anything_else_is_an_error_that_names_key_and_value(text: object) -> None:
    with pytest.raises(SettingError, match=f"recipe.warmup={text}: must be a duration such as 500it"):
        iterations_of(text, 10, "recipe.warmup")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer", "sgdm"),
        ("schedule", "exponential"),
        ("test", "never"),
        ("decay", "none"),
        ("precision", "float16"),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", -0.1),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", -1e-4),
        ("weight_decay", float("nan")),
        ("gamma", 0.0),
        ("gamma", 1.1),
    ],
)
def test_a_bad_recipe_is_an_error_that_names_key_and_value(key: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"recipe.{key}={value}: "):
        Recipe(**{key: value})


def test_settings_that_need_each_other() -> None:
    with pytest.raises(SettingError, match=r"recipe\.milestones=\[\]: "):
        Recipe(schedule="step")
    with pytest.raises(SettingError, match=r"recipe\.nesterov=True: "):
        Recipe(optimizer="sgd", momentum=0.0, nesterov=True)
    with pytest.raises(SettingError, match=r"recipe\.precision=bfloat16: sparse products are in float32: "):
        Recipe(precision="bfloat16", kernels="sparse")
    with pytest.raises(SettingError, match=r"recipe\.compile=True: sparse products are compiled by lth: "):
        Recipe(compile=True, kernels="sparse")
    with pytest.raises(SettingError, match=r"recipe\.betas=\[0\.9\]: must be two numbers"):
        Recipe(betas=[0.9])
    with pytest.raises(SettingError, match=r"recipe\.betas=1\.0: "):
        Recipe(betas=[0.9, 1.0])
    assert Recipe().milestones is not Recipe().milestones


@pytest.mark.parametrize(
    ("settings", "start", "stop", "named"),
    [
        ({"batch_size": 101}, 0, None, r"recipe\.batch_size=101: .* 100 training examples"),
        ({"iterations": 0}, 0, None, r"recipe\.iterations=0"),
        ({"iterations": "0ep"}, 0, None, r"recipe\.iterations=0ep"),
        ({"evaluate_every": "0it"}, 0, None, r"recipe\.evaluate_every=0it"),
        ({"warmup": 51}, 0, None, r"recipe\.warmup=51"),
        ({"schedule": "step", "milestones": ["soon"]}, 0, None, r"recipe\.milestones=soon"),
        ({"schedule": "step", "milestones": [5], "warmup": 6}, 0, None, r"milestones=5: lies in the warm-up of 6"),
        ({}, 50, None, r"rewind=50.* 50 iterations"),
        ({}, "11ep", None, r"rewind=55"),
        ({}, "x", None, "rewind=x"),
        ({}, 0, 51, "rewind=51"),
        ({}, 30, 20, "rewind=30"),
        ({}, 20, 20, "rewind=20"),
    ],
)
def test_a_plan_that_cannot_be_is_an_error(settings: dict, start: object, stop: object, named: str) -> None:
    recipe = Recipe(**({"iterations": 50, "batch_size": 20} | settings))
    with pytest.raises(SettingError, match=named):
        plan(recipe, 100, start, stop)  # type: ignore[arg-type]


def test_one_training_has_one_plan_however_its_durations_are_written() -> None:
    epochs = Recipe(iterations="10ep", batch_size=20, schedule="step", milestones=["4ep"], evaluate_every="1ep")
    counted = Recipe(iterations=50, batch_size=20, schedule="step", milestones=[20], evaluate_every="5it")
    assert plan(epochs, 103, "2ep", "9ep1it") == plan(counted, 103, 10, 46)


def test_settings_without_effect_are_not_in_the_plan() -> None:
    unused = Recipe(momentum=0.5, nesterov=True, milestones=[3], gamma=0.5, decay="all")
    assert plan(unused, 1000) == plan(Recipe(), 1000)


def rates(made: Plan) -> list[float]:
    return [made.rate(iteration) for iteration in range(made.total)]


def rates_of_torch(make: Callable, count: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule, values = make(optimizer), []
    for _ in range(count):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def test_constant_is_constant() -> None:
    assert rates(plan(Recipe(iterations=9, lr=0.1), 100)) == [0.1] * 9


def test_step_is_torchs() -> None:
    recipe = Recipe(iterations=60, lr=0.1, schedule="step", milestones=[20, "45it"], gamma=0.3)
    torchs = rates_of_torch(lambda x: torch.optim.lr_scheduler.MultiStepLR(x, [20, 45], 0.3), 60)
    assert rates(plan(recipe, 100)) == pytest.approx(torchs, rel=1e-12)


def test_cosine_is_torchs_and_ends_at_zero() -> None:
    made = plan(Recipe(iterations=60, lr=0.1, schedule="cosine"), 100)
    torchs = rates_of_torch(lambda x: torch.optim.lr_scheduler.CosineAnnealingLR(x, 60), 60)
    assert rates(made) == pytest.approx(torchs, rel=1e-9) and made.rate(60) == pytest.approx(0, abs=1e-15)


def test_warmup_is_linear_then_the_schedule() -> None:
    """Frankle & Carbin 2019, section 4: the rate grows linearly to its value over k iterations."""
    for schedule in ("constant", "cosine"):
        made = rates(plan(Recipe(iterations=20, lr=0.1, warmup=4, schedule=schedule), 100))
        assert made[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    stepped = Recipe(iterations=20, lr=0.1, warmup=4, schedule="step", milestones=[4, 10])
    assert rates(plan(stepped, 100))[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.01])


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"schedule": "cosine"}, lambda x: torch.optim.lr_scheduler.CosineAnnealingLR(x, 60 - 7)),
        (
            {"schedule": "step", "milestones": ["2ep", 45], "gamma": 0.3},
            lambda x: torch.optim.lr_scheduler.MultiStepLR(x, [20 - 7, 45 - 7], 0.3),
        ),
    ],
)
def test_warmup_and_what_follows_are_torchs_in_sequence(settings: dict, make: Callable) -> None:
    def both(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.SequentialLR:
        warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 7, total_iters=6)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, make(optimizer)], [7])

    made = plan(Recipe(iterations="6ep", batch_size=10, lr=0.1, warmup=7, **settings), 100)
    assert rates(made) == pytest.approx(rates_of_torch(both, 60), rel=1e-9)


@given(st.integers(0, 49), st.integers(1, 50), st.integers(1, 60))
def test_rewinding_changes_no_rate_and_no_place_of_evaluation(start: int, stop: int, every: int) -> None:
    recipe = Recipe(iterations=50, schedule="cosine", warmup=5, evaluate_every=every)
    full, part = plan(recipe, 100), plan(recipe, 100, start, max(start + 1, stop))
    assert rates(part) == rates(full)
    for iteration in range(part.start + 1, part.stop):
        assert part.evaluates(iteration) == full.evaluates(iteration) == (iteration % every == 0)
    assert part.evaluates(part.start) and part.evaluates(part.stop)
