"""Networks of timm and of Hugging Face's transformers, by `model=custom`: built, searched, masked as any other."""

import pytest
import torch
from torch import Tensor, nn

from lth.core.seeds import Seeds
from lth.data.checks import NAMES
from lth.data.preparation import prepare
from lth.data.tensors import Data
from lth.from_settings import build_model
from lth.lottery.plan import ImpPlan
from lth.pruning.schedule import Pruning
from lth.searching import search
from lth.settings import DataSettings, ModelSettings, TrainingSettings
from lth.training.loop import train
from lth.training.recipe import Recipe

RECIPE = Recipe(iterations=2, batch_size=4, evaluate_every=2)


class Classifier(nn.Module):
    """A model of Hugging Face's that gives its logits alone, as a tensor."""

    def __init__(self) -> None:
        super().__init__()
        import transformers

        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
        config = transformers.BertConfig(vocab_size=10, max_position_embeddings=6, num_labels=2, **sizes)
        self.bert = transformers.BertForSequenceClassification(config)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T) -> logits (N, 2)."""
        logits: Tensor = self.bert(tokens.long()).logits
        return logits


def searched(model: ModelSettings, inputs: Tensor, include: list[str]) -> dict[str, Tensor]:
    """The mask of the ticket of level 1, after a search with `reinit` and `shuffle`, in which pruned weights are 0."""
    labels = torch.arange(len(inputs)) % 2
    data: Data = prepare("few", dict(zip(NAMES, (inputs, labels) * 2, strict=True)), normalize="none")
    settings = TrainingSettings("imp", data=DataSettings("few"), model=model, recipe=RECIPE)
    network, fresh = build_model(settings, data, Seeds().resolved())
    plan = ImpPlan(RECIPE, Pruning(fraction=0.5, include=include), 1, 0, ["ticket", "reinit", "reinit_plus", "shuffle"])
    outcomes = list(search(network, fresh(0), data, Seeds().resolved(), plan, train, fresh))
    for outcome in outcomes:
        mask = outcome.result.mask(outcome.spec.mask)
        assert outcome.result.status == "done"
        assert all(not outcome.result.final[name][~kept].any() for name, kept in mask.items())
    return dict(outcomes[-1].level.spec.mask)


@pytest.mark.slow  # the import alone takes seconds
def test_a_vision_model_of_timm_is_searched() -> None:
    pytest.importorskip("timm")
    args = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2, "num_classes": 2, "in_chans": 1}
    model = ModelSettings("custom", "default", _target_="timm.models.vision_transformer.VisionTransformer", args=args)
    mask = searched(model, torch.randn(12, 1, 8, 8), ["pos_embed", "cls_token"])
    assert {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "head.weight", "pos_embed"} <= set(mask)
    assert int(mask["pos_embed"].sum()) == mask["pos_embed"].numel() // 2


@pytest.mark.slow
def test_a_language_model_of_hugging_face_is_searched() -> None:
    pytest.importorskip("transformers")
    model = ModelSettings("custom", "default", _target_=f"{__name__}.Classifier")
    words = "bert.bert.embeddings.word_embeddings.weight"
    mask = searched(model, torch.randint(10, (12, 5)), ["*word_embeddings*"])
    assert words in mask and "bert.classifier.weight" in mask
    assert int(mask[words].sum()) == mask[words].numel() // 2
