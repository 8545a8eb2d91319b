"""A mask in Lightning's Trainer is held while it fits, and a Trainer is the loop of a search."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import lth
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone
from lth.lottery.levels import rewound
from lth.training.loop import train
from tests.loops import broken_off, loop_spec

lightning = pytest.importorskip("lightning.pytorch")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Lightning warns of what it uses itself


class Regression(lightning.LightningModule):
    """A network of two layers, each with an optimiser of its own where it is stepped by hand."""

    def __init__(self, manual: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        self.mask: Mask = {}
        self.fails = False

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Pruned weights are zero before each step."""
        assert not pruned(self.network, self.mask).any()
        assert not self.fails, "as asked"
        loss = functional.mse_loss(self.network(batch[0]), batch[1])
        if not self.automatic_optimization:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()
        return loss

    def configure_optimizers(self) -> Any:
        """One, or one a layer."""
        parts = [self.network] if self.automatic_optimization else [self.network[0], self.network[2]]
        made = [torch.optim.AdamW(part.parameters(), lr=0.01, weight_decay=0.1) for part in parts]
        return made[0] if self.automatic_optimization else made


def pruned(model: nn.Module, mask: Mask) -> Tensor:
    """The weights that `mask` prunes."""
    return torch.cat([torch.zeros(0), *(model.get_parameter(name)[~kept] for name, kept in mask.items())])


def fit(module: Any, *callbacks: Any, **settings: Any) -> None:
    """Four steps."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    batches = [(torch.randn(8, 6), torch.randn(8, 3)) for _ in range(10)]
    trainer = lightning.Trainer(max_steps=4, enable_checkpointing=False, callbacks=list(callbacks), **quiet, **settings)
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))


@pytest.mark.parametrize("manual", [False, True])
def test_a_mask_is_held_while_lightning_fits(manual: bool, tmp_path: Path) -> None:
    from lth.integrations.lightning import TicketCallback

    module = Regression(manual)
    module.mask = lth.prune(module.network, 0.5)
    ticket = lth.Ticket(module.mask, clone(module.network.state_dict()))
    callback = TicketCallback(ticket.save(tmp_path / "ticket.safetensors"), part="network")
    before = clone(module.state_dict())
    fit(module, callback, **({} if manual else {"gradient_clip_val": 0.1, "accumulate_grad_batches": 2}))
    assert not pruned(module.network, module.mask).any() and module.state_dict().keys() == before.keys()
    assert all((weight != before[f"network.{name}"]).any() for name, weight in module.network.named_parameters())
    assert callback.held is None and not any(x._post_accumulate_grad_hooks for x in module.parameters())


def test_an_error_ends_the_hold() -> None:
    from lth.integrations.lightning import TicketCallback

    module = Regression()
    mask = {f"network.{name}": kept for name, kept in lth.prune(module.network, 0.5).items()}
    module.fails, callback = True, TicketCallback(mask)
    with pytest.raises(AssertionError, match="as asked"):
        fit(module, callback)
    assert callback.held is None
    module.fails = False
    fit(module, callback)
    assert not pruned(module, mask).any()


DRAWN = torch.randn(18, 9, generator=rng(0, "drawn"))
EXAMPLES = torch.utils.data.TensorDataset(DRAWN[:, :6], DRAWN[:, 6:])
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


def network() -> nn.Module:
    """A network that draws in training."""
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 3))


class Learner(lightning.LightningModule):
    """A regression by a network, whose learning rate falls with each step or epoch."""

    def __init__(self, net: nn.Module | None = None, manual: bool = False, interval: str = "step", adam: bool = True):
        super().__init__()
        self.automatic_optimization = not manual
        self.net = net or network()
        self.interval, self.adam = interval, adam

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss = functional.mse_loss(self.net(batch[0]), batch[1]) * (1 + index)  # each batch knows its place
        if not self.automatic_optimization:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer, schedule in zip(self.optimizers(), self.lr_schedulers(), strict=True):
                optimizer.step()
                schedule.step()
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        loss = functional.mse_loss(self.net(batch[0]), batch[1])
        self.log_dict({"val_loss": loss, "val/mae": loss, "other": loss})

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self.log("test_mse", functional.mse_loss(self.net(batch[0]), batch[1]))

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(EXAMPLES, 4, shuffle=True)

    def val_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(EXAMPLES, 9)

    def configure_optimizers(self) -> Any:
        parts = [self.net] if self.automatic_optimization else [self.net[0], self.net[-1]]
        made = [(torch.optim.AdamW if self.adam else torch.optim.SGD)(part.parameters(), 0.1) for part in parts]
        falls = [torch.optim.lr_scheduler.ExponentialLR(one, 0.9) for one in made]
        return made, [{"scheduler": one, "interval": self.interval} for one in falls]


class Module(lightning.LightningDataModule):
    """Data that are there once they are set up."""

    def setup(self, stage: str) -> None:
        self.examples = EXAMPLES

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self.examples, 4, shuffle=True)

    val_dataloader = train_dataloader


class Stream(torch.utils.data.IterableDataset):
    """The examples one after another."""

    def __iter__(self) -> Any:
        return iter(EXAMPLES)


DATA = Module()


def built(run: Any, data: str = "", learner: Any = None, **settings: Any) -> Any:
    """Three updates an epoch, of four batches with accumulation of two, and of one batch."""
    module = run.model if isinstance(run.model, Learner) else Learner(run.model, **(learner or {}))
    how = {"max_steps": 8, "accumulate_grad_batches": 2, "log_every_n_steps": 2} | settings
    trainer = lightning.Trainer(enable_checkpointing=False, num_sanity_val_steps=1, **QUIET, **how)
    loaders = (torch.utils.data.DataLoader(Stream(), 4), module.val_dataloader())
    return trainer, module, *{"": (), "module": (DATA,), "stream": loaders}[data]


def fit_of(**settings: Any) -> Any:
    from lth.integrations.lightning import lightning_fit

    return lightning_fit(lambda run: built(run, **settings))


KINDS: dict[str, dict[str, Any]] = {
    "steps": {"data": "module", "check_val_every_n_epoch": None, "val_check_interval": 3},
    "epochs": {"max_steps": -1, "max_epochs": 3, "learner": {"interval": "epoch"}},
    "by hand": {"max_steps": -1, "max_epochs": 2, "accumulate_grad_batches": 1, "learner": {"manual": True}},
    "stream": {"data": "stream", "limit_val_batches": 1, "val_check_interval": 4, "check_val_every_n_epoch": None},
    "model": {"limit_train_batches": 4},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rewind", [0, 4])
def test_a_killed_and_resumed_trainer_gives_the_same_bits(same_bits, half_mask, tmp_path, caplog, kind, rewind):
    model = Learner() if kind == "model" else network()
    spec = rewound(loop_spec(model, half_mask(model), fit_of(**KINDS[kind]), rewind), train)
    straight = train(spec)
    assert not pruned(model, spec.mask).any() and straight.status == "done"
    assert any(point.val_mae for point in straight.points[:-1]) and any(point.train_loss for point in straight.points)
    for steps in (1, 2, 3):
        resumed = broken_off(spec, tmp_path / f"{steps}", steps)
        assert same_bits(resumed.final, straight.final) and resumed.points == straight.points
    assert "cannot be" not in caplog.text and "train_dataloader" not in vars(DATA)


def test_a_rewound_trainer_goes_on_with_batches_and_learning_rate(same_bits):
    model = network()
    spec = loop_spec(model, {}, fit_of(learner={"adam": False}), 4)
    straight = train(replace(spec, plan=replace(spec.plan, start=0)), keep_at={4})
    later = rewound(spec, train)
    assert same_bits(later.initial_state, straight.states["at_4"])
    result = train(later)
    assert same_bits(result.final, straight.final) and result.points == straight.points[-len(result.points) :]


def test_a_search_trains_by_a_trainer(tmp_path, caplog):
    from lth.integrations.lightning import lightning_fit

    def tested(trainer: Any) -> Any:
        return trainer.test(trainer.lightning_module, trainer.val_dataloaders, verbose=False)

    search = lth.search(
        network, lightning_fit(built, 8, tested), levels=1, rewind=2, check=True, store=tmp_path, decide="val_loss"
    )
    assert [(row["level"], row["iterations"]) for row in search.rows] == [(0, 8), (1, 8)]
    assert all(row["final_test_mse"] for row in search.rows) and "cannot be" not in caplog.text


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda run: lightning.Trainer(**QUIET), r"a Trainer: return \(trainer, module, train_loader, val_loader\)"),
        (lambda run: (built(run)[0], Learner()), "has another model than run.model"),
        (lambda run: (built(run)[0], Learner(nn.Sequential(run.model, nn.Linear(3, 3)))), "trains net.1.weight, which"),
        (lambda run: built(run, max_steps=-1, max_epochs=3), "steps=8: does not agree .* makes 9: .*max_steps=8"),
        (
            lambda run: built(run, learner={"manual": True}, accumulate_grad_batches=1),
            "manual optimisation counts every optimiser",
        ),
        (lambda run: built(run, max_steps=-1, max_epochs=-1), "has no end: give it max_steps"),
        (lambda run: (*built(run), [DRAWN]), "has a list of training batches: give one DataLoader"),
    ],
)
def test_what_is_no_trainer_of_the_run_is_one_line(build, line):
    from lth.integrations.lightning import lightning_fit

    with pytest.raises(LotteryError, match=line):
        train(loop_spec(network(), {}, lightning_fit(build, 8)))


def test_metrics_of_a_test_are_named_as_lths():
    from lth.integrations.lightning_guide import named

    assert named([{"test/loss": 0.5}, {"test_accuracy": 0.9}]) == {"test_loss": 0.5, "test_accuracy": 0.9}
    with pytest.raises(LotteryError, match="the metrics of lightning_fit are None"):
        named(None)
