"""The MLP for modular arithmetic of Minegishi et al. 2023, "Grokking Tickets": one hidden layer, no biases."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.models.transformer import TokenEmbedding


class ModularMlp(nn.Module):
    """The sum of the embeddings of all tokens, one hidden layer of ReLU units, and back through the embedding's width.

    tokens, outputs: as of `lth.models.transformer.Transformer`; embedding, width: units of the embedding and of the
    hidden layer. Weights are drawn from N(0, 1 / fan-in), those of the embedding from N(0, 1 / tokens), as in the
    authors' code. The order of the tokens makes no difference. Between embedding and hidden layer nothing bends,
    nor between `back` and `output`: their products are taken of the weights, as tokens are fewer than examples.

    >>> network = ModularMlp(tokens=5, outputs=5, embedding=8, width=4)
    >>> torch.equal(network(torch.tensor([[1, 3]])), network(torch.tensor([[3, 1]])))
    True
    """

    def __init__(self, tokens: int, outputs: int, embedding: int, width: int) -> None:
        super().__init__()
        self.tokens = TokenEmbedding(tokens, embedding, tokens**-0.5)
        self.hidden = nn.Linear(embedding, width, bias=False)
        self.back = nn.Linear(width, embedding, bias=False)
        self.output = nn.Linear(embedding, outputs, bias=False)
        for layer in (self.hidden, self.back, self.output):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T), whole numbers of any type -> (N, outputs)."""
        by_token = self.hidden(self.tokens.weight)  # (tokens, width)
        hidden = torch.relu(functional.embedding(tokens.long(), by_token).sum(1))
        by_unit = self.output(self.back.weight.t())  # (width, outputs)
        return hidden @ by_unit  # type: ignore[no-any-return]
