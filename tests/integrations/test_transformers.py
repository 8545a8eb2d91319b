"""A mask in Hugging Face's Trainer is held from the first step to the last, and a Trainer is the loop of a search."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lth
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone
from lth.lottery.levels import rewound
from lth.training.loop import train
from lth.training.run_result import RunResult
from tests.loops import broken_off, loop_spec

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow  # the import alone takes seconds

SMALL = {"vocab_size": 30, "attn_implementation": "eager"}


def bert(dropout: float = 0.1) -> nn.Module:
    """A classifier of sentences, without weights of anyone."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
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


STEPS = 8
WORDS = torch.randint(30, (18, 8), generator=rng(0, "words"))
EXAMPLES = [{"input_ids": x, "labels": x[0] % 2} for x in WORDS]


class Stream(torch.utils.data.IterableDataset):
    """The examples one after another."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        yield from EXAMPLES


def masking(examples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A batch in which words are left out by chance."""
    batch = transformers.default_data_collator(examples)
    return batch | {"input_ids": batch["input_ids"].masked_fill(torch.rand(batch["input_ids"].shape) < 0.2, 0)}


def built(run: Any, stream: bool = False, **settings: Any) -> Any:
    """Three updates an epoch, of four batches with accumulation of two, and of one batch."""
    how = {"max_steps": STEPS, "learning_rate": 0.05, "gradient_accumulation_steps": 2, "logging_steps": 3}
    how |= {"eval_strategy": "steps", "eval_steps": 4, "save_strategy": "no", "per_device_train_batch_size": 4}
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True}
    arguments = transformers.TrainingArguments("out", **(quiet | how | settings))
    sets = {"train_dataset": Stream() if stream else EXAMPLES, "eval_dataset": {"val": EXAMPLES, "test": EXAMPLES[:5]}}
    return transformers.Trainer(run.model, arguments, data_collator=masking, **sets)


def fit_of(**settings: Any) -> Any:
    from lth.integrations.transformers import trainer_fit

    def build_trainer(run: Any) -> Any:
        return built(run, **settings)

    return trainer_fit(build_trainer)


def curve(result: RunResult) -> list[tuple[int, float | None, float | None]]:
    return [(point.iteration, point.val_loss, point.test_loss) for point in result.points]


MIXED = {"bf16": True, "activation_checkpointing": True}


@pytest.mark.parametrize(("settings", "rewind"), [({}, 0), ({"dropout": 0}, 4), (MIXED, 4), ({"stream": True}, 4)])
def test_a_killed_and_resumed_trainer_gives_the_same_bits(same_bits, half_mask, tmp_path, settings, rewind):
    model = bert(settings.get("dropout", 0.1))
    fit = fit_of(**{key: value for key, value in settings.items() if key != "dropout"})
    spec = rewound(loop_spec(model, half_mask(model), fit, rewind), train)
    straight = train(spec)
    assert not pruned(model, spec.mask).any() and straight.status == "done"
    assert [point.iteration for point in straight.points] == ([6, STEPS] if rewind else [3, 4, 6, STEPS])
    for killed in (5, 6) if rewind else (1, 3):  # in the middle of an epoch, and at its end
        resumed = broken_off(spec, tmp_path / f"{killed}", killed - rewind)
        assert same_bits(resumed.final, straight.final) and resumed.points == straight.points
    assert not {"forward", "_is_accelerate_prepared"} & set(vars(model))


def test_a_rewound_trainer_goes_on_with_batches_and_learning_rate(same_bits, tmp_path):
    model = bert()
    spec = loop_spec(model, {}, fit_of(optim="sgd"), 4)
    straight = train(replace(spec, plan=replace(spec.plan, start=0)), keep_at={4})
    later = rewound(spec, train)
    assert same_bits(later.initial_state, straight.states["at_4"])
    result = train(later)
    assert same_bits(result.final, straight.final)
    assert curve(result) == curve(straight)[-2:] and result.points[-1].lr == straight.points[-1].lr


def test_a_search_trains_by_a_trainer_and_finds_its_trainings_again(tmp_path, caplog):
    from lth.integrations.transformers import trainer_fit

    def tested(trainer: Any) -> Any:
        return trainer.evaluate(EXAMPLES, metric_key_prefix="test")

    def search(steps: int | None) -> Any:
        fit = trainer_fit(built, steps, tested)
        torch.manual_seed(0)
        return lth.search(bert, fit, levels=1, arms=["ticket", "reinit"], rewind=2, check=True, store=tmp_path)

    rows = search(STEPS).rows
    assert [(row["level"], row["arm"]) for row in rows] == [(0, "ticket"), (1, "ticket"), (1, "reinit")]
    assert all(row["final_test_loss"] and row["iterations"] == STEPS for row in rows)
    assert "cannot be" not in caplog.text
    with pytest.raises(LotteryError, match="steps=9: does not agree with the Trainer of built, which makes 8"):
        search(STEPS + 1)


def another(run: Any) -> Any:
    run = type("Run", (), {"model": bert()})
    return built(run)


def without_evaluation(run: Any) -> Any:
    return transformers.Trainer(run.model, built(run, eval_strategy="no").args, train_dataset=EXAMPLES)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda run: None, "the Trainer of .* is None: return a transformers.Trainer"),
        (another, "the Trainer of another has another model than run.model"),
        (lambda run: built(run, max_steps=-1, num_train_epochs=3), "steps=8: does not agree .* makes 9: .*max_steps=8"),
        (lambda run: built(run, load_best_model_at_end=True, save_strategy="steps"), "load_best_model_at_end"),
        (without_evaluation, "has no eval_dataset"),
        (lambda run: 1 / 0, "fit=.*lambda.* raised ZeroDivisionError"),
    ],
)
def test_what_is_no_trainer_of_the_run_is_one_line(build, line):
    from lth.integrations.transformers import trainer_fit

    with pytest.raises(LotteryError, match=line):
        train(loop_spec(bert(), {}, trainer_fit(build, STEPS)))


def test_what_builds_no_trainer_is_one_line():
    from lth.integrations.transformers import named, trainer_fit

    with pytest.raises(LotteryError, match="got a Tensor: give a function"):
        trainer_fit(torch.zeros(1))
    with pytest.raises(LotteryError, match="the metrics of trainer_fit are None"):
        named(None)
    given = {"eval_loss": 0.5, "eval_test_accuracy": 0.9, "test_f1": 0.8, "eval_runtime": 3.0, "epoch": 1.0}
    assert named(given) == {"val_loss": 0.5, "test_accuracy": 0.9, "test_f1": 0.8}
