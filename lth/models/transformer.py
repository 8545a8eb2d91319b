"""A small decoder-only transformer for sequences of tokens (Vaswani et al. 2017; pre-norm as Radford et al. 2019)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

STD = 0.02
"""The standard deviation of embeddings, as in GPT-2."""


class TokenEmbedding(nn.Embedding):
    """A vector for each token, drawn from N(0, std^2)."""

    def __init__(self, tokens: int, width: int, std: float) -> None:
        self.std = std
        super().__init__(tokens, width)

    def reset_parameters(self) -> None:
        """Draws the vectors anew."""
        nn.init.normal_(self.weight, std=self.std)


class CausalAttention(nn.Module):
    """Self-attention in which each place attends to itself and to earlier ones."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, projected: Tensor, last: bool = False) -> Tensor:
        """The projections (N, T, 3 width) -> (N, T, width), or with `last` of the last place alone (N, 1, width)."""
        count, length, width = len(projected), projected.shape[1], self.out.in_features
        parts = projected.view(count, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (N, heads, T, width / heads)
        if last:
            queries = queries[:, :, -1:]
        attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=not last)
        return self.out(attended.transpose(1, 2).reshape(count, -1, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention, then two Linear layers with a GELU between; each is added to what it is given, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def project(self, inputs: Tensor) -> Tensor:
        """Inputs (..., width) -> the queries, keys and values of attention (..., 3 width)."""
        return self.attention.projection(self.norm1(inputs))  # type: ignore[no-any-return]

    def forward(self, inputs: Tensor, last: bool = False, projected: Tensor | None = None) -> Tensor:
        """(N, T, width) -> (N, T, width), or with `last` of the last place alone (N, 1, width).

        projected: `project(inputs)`, where it is known.
        """
        projected = self.project(inputs) if projected is None else projected
        middle = (inputs[:, -1:] if last else inputs) + self.attention(projected, last)
        return middle + self.fc2(functional.gelu(self.fc1(self.norm2(middle))))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Logits for the last place of a sequence, or for every place, none of which depends on later tokens.

    tokens: how many different ones there are, numbered from 0; outputs: how many logits a place has; context: the
    longest sequence; depth: blocks; everywhere: whether every place has logits.

    >>> Transformer(tokens=5, outputs=3, context=4, depth=1, width=8, heads=2)(torch.zeros(2, 4).long()).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, tokens: int, outputs: int, context: int, depth: int, width: int, heads: int, everywhere: bool = False
    ) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.tokens = TokenEmbedding(tokens, width, STD)
        self.places = TokenEmbedding(context, width, STD)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, outputs, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T), whole numbers of any type -> (N, outputs), or (N, T, outputs)."""
        tokens, places = tokens.long(), torch.arange(tokens.shape[1], device=tokens.device)
        hidden = self.tokens(tokens) + self.places(places)
        projected = self._projected(tokens, places)
        *blocks, final = self.blocks
        for block in blocks:
            hidden, projected = block(hidden, projected=projected), None
        hidden = final(hidden, not self.everywhere, projected)  # nothing reads the other places of the last block
        hidden = self.norm(hidden)
        return self.output(hidden if self.everywhere else hidden[:, -1])  # type: ignore[no-any-return]

    def _projected(self, tokens: Tensor, places: Tensor) -> Tensor | None:
        """What the first block projects, computed once for each token at each place; None where these are not fewer."""
        count, length = self.tokens.num_embeddings, len(places)
        if count * length >= tokens.numel():
            return None
        first: Any = self.blocks[0]
        by_token = first.project(self.tokens.weight.unsqueeze(1) + self.places(places))
        return functional.embedding(tokens * length + places, by_token.flatten(0, 1))
