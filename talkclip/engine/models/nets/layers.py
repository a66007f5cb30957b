"""Building blocks: positions, attention, feed-forward, the post-norm layers of the original transformer.

Vaswani et al. 2017 (post-norm, ReLU); style-mixed linear after StyleTalk (Ma et al., AAAI 2023), itself after Chen et
al. 2020, "Dynamic Convolution". Letters in shapes: N sequences, L tokens, S tokens attended to, D width, H heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def sinusoids(length: int, width: int) -> Tensor:
    """-> (length, width) positional table, sine on even columns, cosine on odd ones."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    pair = torch.arange(width, dtype=torch.float64) // 2
    angle = position / 10000 ** (2 * pair / width)
    even = torch.arange(width) % 2 == 0
    return torch.where(even, angle.sin(), angle.cos()).float()


class Attention(nn.Module):
    """Multi-head attention whose keys and values can be made once and gathered."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def keys_values(self, memory: Tensor) -> Tensor:
        """memory (..., D) -> keys beside values (..., 2 D)."""
        width = self.out_proj.in_features
        return functional.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:])

    def keys_values_offset(self, added: Tensor) -> Tensor:
        """What adding `added` (..., D) to the memory adds to its keys and values (..., 2 D)."""
        return functional.linear(added, self.in_proj_weight[self.out_proj.in_features :])

    def forward(self, query: Tensor, keys_values: Tensor, padding: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            query: (N, L, D).
            keys_values: (N, S, 2 D) from `keys_values`.
            padding: bool (N, S), True where a token is not there; or None.

        Returns:
            (N, L, D)
        """
        width = self.out_proj.in_features
        q = functional.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
        k, v = keys_values.split(width, dim=-1)
        if query.shape[1] == 1 and padding is None:
            return self.out_proj(self._one_query(q, k, v))
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))  # (N, H, L, D/H)
        mask = None if padding is None else ~padding[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, mask, dropout)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _one_query(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(N, 1, D), (N, S, D), (N, S, D) -> (N, 1, D) without thousands of tiny matrix products."""
        head_width = q.shape[-1] // self.heads
        scores = (q * k).unflatten(-1, (self.heads, head_width)).sum(-1) / math.sqrt(head_width)  # (N, S, H)
        weights = functional.dropout(scores.softmax(dim=1), self.dropout, self.training)
        mixed = (weights[..., None] * v.unflatten(-1, (self.heads, head_width))).sum(1, keepdim=True)
        return mixed.flatten(2)


class StyleMixedLinear(nn.Module):
    """A linear layer whose weights are mixed from K experts by the style."""

    def __init__(self, inner: int, outer: int, style_width: int, experts: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.expert_weight = nn.Parameter(torch.empty(experts, outer, inner))
        self.expert_bias = nn.Parameter(torch.zeros(experts, outer))
        for matrix in self.expert_weight:
            nn.init.xavier_uniform_(matrix)
        self.gate_in = nn.Linear(style_width, style_width // 4, bias=False)
        self.gate_out = nn.Linear(style_width // 4, experts, bias=False)

    def shares(self, style: Tensor) -> Tensor:
        """style (U, D) -> how much of each expert (U, K), rows sum to 1."""
        return (self.gate_out(self.gate_in(style).relu()) / self.temperature).softmax(dim=-1)

    def forward(self, x: Tensor, style: Tensor, index: Tensor | None) -> Tensor:
        """Apply the layer that each sequence's style mixes.

        One weight matrix per distinct style is mixed and used as a plain linear. Where there are about as many styles
        as sequences (a cross-fade), the experts' answers are mixed instead: never one matrix per frame.

        Args:
            x: (N, L, I).
            style: (U, D) distinct styles.
            index: (N,) which style each sequence has; None: one for all (U = 1) or one for each (U = N).

        Returns:
            (N, L, O)
        """
        shares = self.shares(style)
        experts, outer, inner = self.expert_weight.shape
        if len(style) > 1 and (index is None or len(style) * experts > len(x)):
            answers = functional.linear(x, self.expert_weight.flatten(0, 1), self.expert_bias.flatten())
            shares = shares if index is None else shares[index]
            return (answers.unflatten(-1, (experts, outer)) * shares[:, None, :, None]).sum(2)
        weights = (shares @ self.expert_weight.flatten(1)).unflatten(1, (outer, inner))
        biases = shares @ self.expert_bias
        if index is None or len(style) == 1:
            return functional.linear(x, weights[0], biases[0])
        out = x.new_empty(*x.shape[:-1], outer)
        for number in range(len(style)):
            here = index == number
            out[here] = functional.linear(x[here], weights[number], biases[number])
        return out


class FeedForward(nn.Module):
    """Linear, ReLU, linear."""

    def __init__(self, width: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, expansion * width)
        self.linear2 = nn.Linear(expansion * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        return self.linear2(self.dropout(self.linear1(x).relu()))


class DynamicFeedForward(nn.Module):
    """Style-mixed linear, ReLU, static linear."""

    def __init__(
        self, width: int, expansion: int, dropout: float, style_width: int, experts: int, temperature: float
    ) -> None:
        super().__init__()
        self.linear1 = StyleMixedLinear(width, expansion * width, style_width, experts, temperature)
        self.linear2 = nn.Linear(expansion * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, style: Tensor, index: Tensor | None) -> Tensor:
        """x (N, L, D), style (U, D), index (N,) or None -> (N, L, D)."""
        return self.linear2(self.dropout(self.linear1(x, style, index).relu()))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added and then normalised."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = Attention(width, heads, dropout)
        self.feed_forward = FeedForward(width, expansion, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """x (N, L, D), padding bool (N, L) or None -> (N, L, D)."""
        attended = self.self_attention(x, self.self_attention.keys_values(x), padding)
        x = self.norm1(x + self.dropout(attended))
        return self.norm2(x + self.dropout(self.feed_forward(x)))


def init_xavier(module: nn.Module) -> None:
    """Xavier uniform for every linear map, convolution and table; attention and experts begin so by themselves."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Embedding):
            nn.init.xavier_uniform_(part.weight)
