"""A mask in Hugging Face's Trainer is held from the first step to the last, with the Trainer's own optimiser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lth
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow  # the import alone takes seconds

SMALL = {"vocab_size": 30, "attn_implementation": "eager"}


def bert() -> nn.Module:
    """A classifier of sentences, without weights of anyone."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SMALL, **sizes))


def gpt2() -> nn.Module:
    """A language model whose output shares its weight with the embedding."""
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**SMALL, n_embd=16, n_layer=1, n_head=2, n_positions=8))


def matrices(model: nn.Module) -> Mask:
    """A mask that keeps a third of every matrix, the embeddings too."""
    return {
        name: torch.rand(weight.shape, generator=rng(0, name)) < 0.3
        for name, weight in model.named_parameters()
        if weight.ndim == 2
    }


def pruned(model: nn.Module, mask: Mask) -> Tensor:
    """The weights that `mask` prunes."""
    return torch.cat([model.get_parameter(name)[~kept] for name, kept in mask.items()])


class Watch(transformers.TrainerCallback):
    """Counts the steps after which pruned weights, and what the optimiser remembers of them, are zero."""

    def __init__(self, mask: Mask) -> None:
        self.mask, self.steps = mask, 0

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any, optimizer: Any, **others: Any) -> None:
        assert not pruned(model, self.mask).any()
        for name, kept in self.mask.items():
            moments = optimizer.state[model.get_parameter(name)]
            assert not moments["exp_avg"][~kept].any() and not moments["exp_avg_sq"][~kept].any()
        self.steps += 1


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Any]:
    """`trainer(model, *callbacks)` trains four steps of two batches each, with clipping and weight decay."""
    words = torch.randint(30, (32, 8), generator=rng(0, "words"))

    def make(model: nn.Module, *callbacks: Any, **settings: Any) -> Any:
        labels = words if isinstance(model, transformers.GPT2LMHeadModel) else words[:, 0] % 2
        examples = [{"input_ids": x, "labels": y} for x, y in zip(words, labels, strict=True)]
        how = {"max_steps": 4, "gradient_accumulation_steps": 2, "learning_rate": 0.01, "weight_decay": 0.1} | settings
        arguments = transformers.TrainingArguments(
            str(tmp_path / "out"), per_device_train_batch_size=4, report_to=[], use_cpu=True, disable_tqdm=True, **how
        )
        return transformers.Trainer(model, arguments, train_dataset=examples, callbacks=list(callbacks))

    return make


@pytest.mark.parametrize("build", [bert, gpt2])
def test_a_mask_is_held_while_the_trainer_trains_and_also_where_it_goes_on(build: Callable, trainer: Callable) -> None:
    from lth.integrations.transformers import TicketCallback

    model = build()
    mask = matrices(model)
    callback, watch = TicketCallback(mask), Watch(mask)
    training = trainer(model, callback, watch, save_strategy="steps", save_steps=3)
    training.train()
    assert watch.steps == 4 and callback.held is None
    assert not any(weight._post_accumulate_grad_hooks for weight in model.parameters())
    again = build()
    second = trainer(again, callback, Watch(mask), save_strategy="no")
    second.train(resume_from_checkpoint=str(Path(training.args.output_dir) / "checkpoint-3"))
    assert not pruned(again, mask).any() and model.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(x, y) for x, y in zip(model.parameters(), again.parameters(), strict=True))


def test_a_ticket_from_a_file_is_held_and_a_failed_training_leaves_no_trouble(
    trainer: Callable, tmp_path: Path
) -> None:
    from lth.integrations.transformers import TicketCallback

    model = bert()
    ticket = lth.Ticket(lth.prune(model, 0.8), clone(model.state_dict()))
    callback = TicketCallback(ticket.save(tmp_path / "ticket.safetensors"))

    class Fail(transformers.TrainerCallback):
        def on_step_end(self, *args: Any, **others: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer(model, callback, Fail(), save_strategy="no").train()
    trainer(model, callback, Watch(ticket.mask), save_strategy="no").train()
    with pytest.raises(LotteryError, match="the mask does not fit: nothing"):
        trainer(model, TicketCallback({"nothing": torch.ones(2) > 0}), save_strategy="no").train()
