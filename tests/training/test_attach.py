"""A mask that hooks hold in any training loop: exact zeros, the bits of a loop that masks by hand, no other change."""

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

import lth
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone
from lth.lottery.ticket import Ticket
from tests.networks import tied_layers

STEPS = 6
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01, foreach=False),
    "dampening": partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01, foreach=True),
    "nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "fused sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01, fused=True),
    "adam": partial(torch.optim.Adam, lr=0.01, weight_decay=0.1),
    "amsgrad": partial(torch.optim.Adam, lr=0.01, amsgrad=True),
    "foreach adamw": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, foreach=True),
    "fused adamw": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, fused=True),
    "adamax": partial(torch.optim.Adamax, lr=0.01, weight_decay=0.1),
    "nadam": partial(torch.optim.NAdam, lr=0.01, weight_decay=0.1),
    "radam": partial(torch.optim.RAdam, lr=0.01, weight_decay=0.1),
    "rmsprop": partial(torch.optim.RMSprop, lr=0.01, momentum=0.9, centered=True, weight_decay=0.1),
    "adagrad": partial(torch.optim.Adagrad, lr=0.01, weight_decay=0.1),
    "adadelta": partial(torch.optim.Adadelta, lr=1.0, weight_decay=0.1),
    "adafactor": partial(torch.optim.Adafactor, lr=0.01, weight_decay=0.1),
    "asgd": partial(torch.optim.ASGD, lr=0.01, weight_decay=0.1, t0=2),
    "rprop": partial(torch.optim.Rprop, lr=0.01),
    "lbfgs": partial(torch.optim.LBFGS, lr=0.5, max_iter=4),
    "line search": partial(torch.optim.LBFGS, max_iter=4, line_search_fn="strong_wolfe"),
}
if hasattr(torch.optim, "Muon"):
    OPTIMIZERS["muon"] = lambda parameters, **more: torch.optim.Muon(
        [weight for weight in parameters if weight.ndim == 2], lr=0.05, weight_decay=0.1, **more
    )
NO_MEMORY = {"step_size", "exp_inf"}
"""State that is not zero without gradients: Rprop's step sizes, and Adamax's largest gradient, at least epsilon."""
by_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def network(seed: int = 0) -> nn.Module:
    """A new network, 6 -> 5 -> 3."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.fixture
def mask(half_mask: Callable[[nn.Module], Mask]) -> Mask:
    """About half of each layer of `network`."""
    return half_mask(network())


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Inputs (8, 6) and targets (8, 3) of a step."""
    drawn = torch.randn(8, 9, generator=rng(0, "batch", step))
    return drawn[:, :6], drawn[:, 6:]


def loss_of(model: nn.Module, step: int) -> Tensor:
    """The mean squared error on the batch of a step."""
    inputs, targets = batch(step)
    return functional.mse_loss(model(inputs), targets)


def plain(model: nn.Module, optimizer: Optimizer, masking: Callable[[], None], step: int) -> None:
    """As tutorials have it; `masking` is called after each backward pass, and does nothing where hooks mask."""

    def closure() -> float:
        model.zero_grad()
        loss = loss_of(model, step)
        loss.backward()
        masking()
        return loss.item()

    optimizer.step(closure)


def accumulated(model: nn.Module, optimizer: Optimizer, masking: Callable[[], None], step: int) -> None:
    """Two batches a step, gradients kept as zeros, and clipped."""
    model.zero_grad(set_to_none=False)
    for part in range(2):
        (loss_of(model, 2 * step + part) / 2).backward()
        masking()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step(lambda: loss_of(model, step).item())


def scaled(model: nn.Module, optimizer: Optimizer, masking: Callable[[], None], step: int) -> None:
    """Autocast, a scaler of gradients that overflows at one step, and clipping."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126 if step == 2 else 2.0**10)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss = 9 * loss_of(model, step)
    scaler.scale(loss).backward()
    masking()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    scaler.step(optimizer)
    scaler.update()
    assert (scaler.get_scale() == 2.0**125) == (step == 2)


LOOPS = {"plain": plain, "accumulated": accumulated, "scaled": scaled}


def zero(tensors: dict[str, Tensor], mask: Mask) -> bool:
    """Whether `tensors` are finite, and exactly zero where `mask` prunes them."""
    return all(bool(tensors[name].isfinite().all()) and not tensors[name][~kept].any() for name, kept in mask.items())


def memories(model: nn.Module, optimizer: Optimizer) -> Iterator[dict[str, Tensor]]:
    """What `optimizer` remembers of each parameter, one kind of state after the other."""
    named = dict(model.named_parameters())
    keys = {key for weight in named.values() for key in optimizer.state.get(weight, {})} - NO_MEMORY
    for key in sorted(keys):
        states = {name: optimizer.state.get(weight, {}).get(key) for name, weight in named.items()}
        if all(isinstance(x, Tensor) and x.shape == named[name].shape for name, x in states.items() if x is not None):
            yield {name: torch.zeros_like(named[name]) if x is None else x for name, x in states.items()}


@by_optimizer
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_pruned_weights_are_exactly_zero_and_kept_ones_as_in_a_loop_that_masks_by_hand(
    make: Callable[..., Optimizer], loop: Callable[..., None], mask: Mask, same_bits: Callable[..., bool]
) -> None:
    held, by_hand = network(), network()
    optimizer, other = make(held.parameters()), make(by_hand.parameters())
    if isinstance(optimizer, torch.optim.LBFGS) and loop is scaled:
        return  # GradScaler takes no closure
    pairs = [(by_hand.get_parameter(name), kept) for name, kept in mask.items()]

    def gradients() -> None:
        for weight, kept in pairs:
            weight.grad.masked_fill_(~kept, 0)

    @torch.no_grad()
    def weights() -> None:
        for weight, kept in pairs:
            weight.masked_fill_(~kept, 0)

    weights()
    start = clone(held.state_dict())
    with lth.attach(held, optimizer, mask):
        for step in range(STEPS):
            loop(held, optimizer, lambda: None, step)
            loop(by_hand, other, gradients, step)
            weights()
            assert zero(dict(held.named_parameters()), mask)
            assert all(zero(memory, mask) for memory in memories(held, optimizer))
    assert same_bits(held.state_dict(), by_hand.state_dict())
    assert all((held.get_parameter(name)[kept] != start[name][kept]).any() for name, kept in mask.items())


def test_the_norm_that_clipping_sees_is_that_of_the_masked_gradient(mask: Mask) -> None:
    model, dense = network(), network()
    lth.attach(model, torch.optim.SGD(model.parameters()), mask)
    dense.load_state_dict(model.state_dict())
    for each in (model, dense):
        loss_of(each, 0).backward()
    squares = [
        weight.grad[mask[name]].square().sum() if name in mask else weight.grad.square().sum()
        for name, weight in dense.named_parameters()
    ]
    assert nn.utils.clip_grad_norm_(model.parameters(), 1e9).item() == pytest.approx(sum(squares).sqrt().item())
    assert nn.utils.clip_grad_norm_(dense.parameters(), 1e9) > 1.01 * sum(squares).sqrt()


class Sam(Optimizer):
    """Sharpness-aware minimisation (Foret et al. 2021) around a `base` optimiser, in two steps."""

    def __init__(self, parameters: Any, base: Callable[..., Optimizer], rho: float = 0.05) -> None:
        super().__init__(parameters, {"rho": rho})
        self.base_optimizer = base(self.param_groups)

    @torch.no_grad()
    def first_step(self) -> None:
        """Climbs along the gradient."""
        weights = [weight for group in self.param_groups for weight in group["params"]]
        norm = torch.stack([weight.grad.norm() for weight in weights]).norm()
        for weight in weights:
            self.state[weight]["before"] = weight.clone()
            weight.add_(weight.grad, alpha=0.05 / norm.item())
        self.zero_grad()

    @torch.no_grad()
    def second_step(self) -> None:
        """Comes back, and takes the step of the base optimiser."""
        for weight, state in self.state.items():
            if "before" in state:
                weight.data = state["before"]
        self.base_optimizer.step()
        self.zero_grad()


@pytest.mark.parametrize("name", [name for name in ("momentum", "foreach adamw", "muon") if name in OPTIMIZERS])
def test_an_optimiser_around_another_holds_it_in_both_of_its_steps(name: str, mask: Mask) -> None:
    model = network()
    groups = [{"params": [weight for weight in model.parameters() if weight.ndim == 2]}]
    base = torch.optim.Muon if name == "muon" else OPTIMIZERS[name]
    optimizer = Sam(groups, partial(base, weight_decay=0.1))
    lth.attach(model, optimizer, mask)
    for step in range(STEPS):
        for move in (optimizer.first_step, optimizer.second_step):
            loss_of(model, step).backward()
            move()
            assert zero(dict(model.named_parameters()), mask)


def test_gradients_that_do_not_come_from_backward_are_masked_before_the_step(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    lth.attach(model, optimizer, mask)
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, torch.inf)
        weight.grad[..., ::2] = torch.nan
    optimizer.step()
    for memory in (*memories(model, optimizer), dict(model.named_parameters())):
        assert not any(memory[name][~kept].any() for name, kept in mask.items())


def test_several_optimisers_groups_and_a_schedule_hold_one_mask(mask: Mask) -> None:
    model = network()
    first = torch.optim.AdamW([{"params": [model[0].weight], "weight_decay": 0.5}, {"params": [model[0].bias]}])
    second = torch.optim.SGD([model[2].bias], lr=0.1, momentum=0.9)
    second.add_param_group({"params": [model[2].weight], "lr": 0.2})
    schedules = [torch.optim.lr_scheduler.OneCycleLR(each, 0.1, total_steps=STEPS + 1) for each in (first, second)]
    lth.attach(model, (first, second), mask)
    for step in range(STEPS):
        loss_of(model, step).backward()
        for each in (first, second):
            each.step()
            each.zero_grad()
        for schedule in schedules:
            schedule.step()
        assert zero(dict(model.named_parameters()), mask)


def test_a_mask_that_changes_zeroes_what_it_prunes_and_what_it_grows(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["amsgrad"](model.parameters())
    held = lth.attach(model, optimizer, mask)
    turned = {name: kept.roll(1) for name, kept in mask.items()}
    for changed in (turned, {"2.weight": mask["2.weight"]}, mask):
        for step in range(STEPS):
            plain(model, optimizer, lambda: None, step)
        before = held.mask
        held.set_mask(changed)
        for tensors in (dict(model.named_parameters()), *memories(model, optimizer)):
            for name in mask:
                now, then = (each.get(name, torch.ones_like(mask[name])) for each in (changed, before))
                assert not tensors[name][(now ^ then) | ~now].any()
                assert tensors[name][now & then].any()
        plain(model, optimizer, lambda: None, 0)
        assert zero(dict(model.named_parameters()), changed)
        grown = [
            (changed.get(name, torch.ones_like(kept)) & ~before.get(name, torch.ones_like(kept)), name)
            for name, kept in mask.items()
        ]
        assert all(model.get_parameter(name)[places].any() for places, name in grown if places.any())


def test_a_training_that_had_begun_and_a_loaded_checkpoint_are_masked_too(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    plain(model, optimizer, lambda: None, 0)
    dense, remembered = clone(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    held = lth.attach(model, optimizer, mask)
    assert all(zero(tensors, mask) for tensors in (dict(model.named_parameters()), *memories(model, optimizer)))
    assert zero({name: weight.grad for name, weight in model.named_parameters()}, mask)
    model.load_state_dict(dense)
    optimizer.load_state_dict(remembered)
    assert all(zero(tensors, mask) for tensors in (dict(model.named_parameters()), *memories(model, optimizer)))
    model.load_state_dict(dense)
    held.set_mask(held.mask)
    assert zero(dict(model.named_parameters()), mask)


def test_detached_it_holds_nothing_and_leaves_nothing(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    with pytest.raises(ZeroDivisionError), lth.attach(model, optimizer, mask) as held:
        raise ZeroDivisionError
    held.detach()
    with pytest.raises(LotteryError, match="the mask is detached"):
        held.set_mask(mask)
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    assert not any(weight._post_accumulate_grad_hooks for weight in model.parameters()) and not any(hooks)
    plain(model, optimizer, lambda: None, 0)
    assert all(model.get_parameter(name)[~kept].any() for name, kept in mask.items())
    lth.attach(model, optimizer, mask)
    assert zero(dict(model.named_parameters()), mask)


def test_state_dicts_copies_and_files_are_those_of_a_model_without_a_mask(mask: Mask) -> None:
    model, same = network(), network()
    optimizer, other = (OPTIMIZERS["adam"](each.parameters()) for each in (model, same))
    lth.attach(model, optimizer, mask)
    plain(model, optimizer, lambda: None, 0)
    plain(same, other, lambda: None, 0)
    assert model.state_dict().keys() == same.state_dict().keys()
    assert optimizer.state_dict()["param_groups"] == other.state_dict()["param_groups"]
    states, others = (each.state_dict()["state"] for each in (optimizer, other))
    assert [state.keys() for state in states.values()] == [state.keys() for state in others.values()]
    file = io.BytesIO()
    torch.save((model, optimizer), file)
    file.seek(0)
    for copied, its_optimizer in (
        copy.deepcopy((model, optimizer)),
        pickle.loads(pickle.dumps((model, optimizer))),
        torch.load(file, weights_only=False),
    ):
        assert zero(dict(copied.named_parameters()), mask)
        plain(copied, its_optimizer, lambda: None, 1)
        assert not zero(dict(copied.named_parameters()), mask)  # a copy holds no mask
        lth.attach(copied, its_optimizer, mask)
        plain(copied, its_optimizer, lambda: None, 2)
        assert zero(dict(copied.named_parameters()), mask)
    assert zero(dict(model.named_parameters()), mask)


def test_a_model_that_is_held_is_freed_with_its_optimiser(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    lth.attach(model, optimizer, mask)
    plain(model, optimizer, lambda: None, 0)
    weights = [weakref.ref(weight) for weight in model.parameters()]
    del model, optimizer
    gc.collect()
    assert not any(weight() is not None for weight in weights)


def compiled(model: nn.Module) -> Any:
    return torch.compile(model, backend="aot_eager")


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel, lambda model: nn.DataParallel(compiled(model))])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod."])
def test_wrapped_models_take_names_with_and_without_prefixes(wrap: Callable, prefix: str, mask: Mask) -> None:
    model = wrap(network())
    held = lth.attach(model, torch.optim.SGD(model.parameters()), {f"{prefix}{name}": x for name, x in mask.items()})
    assert set(held.mask) == set(mask)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first"), [("fused adamw", True), *([("muon", False)] if "muon" in OPTIMIZERS else [])]
)
def test_a_compiled_model_and_a_compiled_step_hold_it(name: str, first: bool, mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS[name](model.parameters())
    if first:
        lth.attach(model, optimizer, mask)
    fast = compiled(model)
    step = torch.compile(optimizer.step, backend="aot_eager") if name == "muon" else optimizer.step
    if not first:
        lth.attach(fast, optimizer, mask)
    for number in range(3):
        optimizer.zero_grad()
        loss_of(fast, number).backward()
        assert zero({name: weight.grad for name, weight in model.named_parameters()}, mask)
        step()
        assert zero(dict(model.named_parameters()), mask)


def test_a_tensor_with_several_names_is_masked_once() -> None:
    model = tied_layers()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    kept = torch.rand(12, 12, generator=rng(0, "tied")) < 0.5
    with lth.attach(model, optimizer, {"b.weight": kept, "a.weight": kept}) as held:
        assert list(held.mask) == ["b.weight"]
        for step in range(STEPS):
            model(torch.randn(4, 12, generator=rng(0, "inputs", step))).square().mean().backward()
            optimizer.step()
            assert zero({"b.weight": model.b.weight}, held.mask) and model.b.weight[kept].all()
    with pytest.raises(LotteryError, match=r"a\.weight and b\.weight are one tensor .* pruned differently"):
        lth.attach(model, optimizer, {"b.weight": kept, "a.weight": ~kept})


@pytest.mark.parametrize("later", [False, True])
def test_a_frozen_tensor_is_only_zeroed_until_it_is_trained(later: bool, mask: Mask) -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = OPTIMIZERS["momentum"](model.parameters() if later else [model[2].weight, model[0].bias])
    lth.attach(model, optimizer, mask)
    before = model[0].weight.clone()
    assert zero({"0.weight": before}, {"0.weight": mask["0.weight"]}) and not model[0].weight.requires_grad
    plain(model, optimizer, lambda: None, 0)
    assert torch.equal(model[0].weight, before) and model[0].weight.grad is None
    if later:
        model[0].weight.requires_grad_(True)
        for step in range(STEPS):
            plain(model, optimizer, lambda: None, step)
            assert zero(dict(model.named_parameters()), mask)
        assert not torch.equal(model[0].weight, before)


def test_sparse_gradients_are_masked() -> None:
    model = nn.Embedding(9, 4, sparse=True)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.1)
    mask = {"weight": torch.rand(9, 4, generator=rng(0, "rows")) < 0.5}
    lth.attach(model, optimizer, mask)
    for step in range(STEPS):
        optimizer.zero_grad()
        model(torch.randint(9, (5,), generator=rng(0, "words", step))).square().sum().backward()
        optimizer.step()
        assert zero({"weight": model.weight}, mask)
        assert all(zero(memory, mask) for memory in memories(model, optimizer))


def test_a_ticket_gives_its_mask(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    ticket = Ticket(mask, clone(network(1).state_dict()))
    ticket.apply(model)
    with lth.attach(model, optimizer, ticket) as held:
        plain(model, optimizer, lambda: None, 0)
    assert zero(dict(model.named_parameters()), mask) and held.mask == mask


def test_a_model_that_moves_to_another_type_is_held_there(mask: Mask) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    lth.attach(model, optimizer, mask)
    model.double()
    functional.mse_loss(model(batch(0)[0].double()), batch(0)[1].double()).backward()
    optimizer.step()
    assert model[0].weight.dtype == torch.float64 and zero(dict(model.named_parameters()), mask)


def test_what_does_not_fit_is_one_line_and_changes_nothing(mask: Mask, same_bits: Callable[..., bool]) -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    before = clone(model.state_dict())
    one = {"0.weight": mask["0.weight"]}
    wrong: list[tuple[Any, Any, str]] = [
        (optimizer, {"0.weight": torch.ones(2, 2, dtype=torch.bool)}, r"0\.weight is \(2, 2\), the model has \(5, 6\)"),
        (optimizer, {"1.weight": mask["0.weight"]}, r"1\.weight is \(5, 6\), the model has nothing of that name"),
        (optimizer, {"0.weight": mask["0.weight"].float()}, r"the mask of 0\.weight is torch\.float32: a bool tensor"),
        (optimizer, {"0.weight": [[True]]}, r"the mask of 0\.weight is list: a bool tensor"),
        (optimizer, "ticket.safetensors", "str is no mask: .*lth.load_ticket"),
        (OPTIMIZERS["adam"](copy.deepcopy(model).parameters()), one, "was made before the model was given"),
        (OPTIMIZERS["adam"]([model[2].weight]), one, r"no optimiser given holds 0\.weight"),
        ([], one, "there is no optimiser"),
        (model, one, "Sequential is no optimiser"),
        (model.parameters(), one, "generator is no optimiser"),
    ]
    for given, bad, said in wrong:
        with pytest.raises(LotteryError, match=said) as caught:
            lth.attach(model, given, bad)
        assert "\n" not in str(caught.value)
    lazy = nn.Sequential(nn.LazyLinear(5))
    with pytest.raises(LotteryError, match=r"cannot hold 0\.weight: it is not initialised"):
        lth.attach(lazy, OPTIMIZERS["sgd"](lazy.parameters()), one)
    lazy.counts = nn.Parameter(torch.ones(2, 2, dtype=torch.int8), requires_grad=False)
    with pytest.raises(LotteryError, match=r"cannot hold counts: it is torch\.int8"):
        lth.attach(lazy, OPTIMIZERS["sgd"](lazy.parameters()), {"counts": torch.ones(2, 2) > 0})
    flat = type("FullyShardedDataParallel", (nn.Module,), {})()  # torch makes one only among processes
    flat.inner = model
    with pytest.raises(LotteryError, match="which no mask fits: use fully_shard"):
        lth.attach(flat, optimizer, one)
    with pytest.raises(LotteryError, match="list_iterator is no model"):
        lth.attach(iter([]), optimizer, one)
    assert same_bits(model.state_dict(), before) and not optimizer._optimizer_step_post_hooks
    with lth.attach(model, optimizer, one) as held:
        with pytest.raises(LotteryError, match=r"0\.weight is held by another mask"):
            lth.attach(model, optimizer, mask)
        with lth.attach(model, optimizer, {"2.weight": mask["2.weight"]}):
            with pytest.raises(LotteryError, match=r"2\.weight is held by another mask"):
                held.set_mask(mask)
            plain(model, optimizer, lambda: None, 0)
            assert zero(dict(model.named_parameters()), mask)
        held.set_mask(mask)
    lth.attach(model, optimizer, mask)
