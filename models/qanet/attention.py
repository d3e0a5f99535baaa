"""Attention over the views of one pixel."""

import torch
import torch.nn.functional as F
from torch import nn


class TimeAttention(nn.Module):
    """Multi-head attention among the T views at each pixel; parameters as in ``torch.nn.MultiheadAttention``.

    A pixel has only T tokens, so each of the B*H*W score matrices is T x T and a batched product is exact and fast.

    Args:
        n_feats: channels C of a token.
        n_heads: heads; must divide ``n_feats``.
        n_views: tokens T per pixel.
    """

    def __init__(self, n_feats: int, n_heads: int, n_views: int) -> None:
        super().__init__()
        self.n_heads, self.n_views = n_heads, n_views
        self.in_proj_weight = nn.Parameter(torch.empty(3 * n_feats, n_feats))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * n_feats))
        self.out_proj = nn.Linear(n_feats, n_feats)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """What each view of ``query`` gathers from the views of ``value`` (its keys too), pixel by pixel.

        Args:
            query: (B*T, C, H, W).
            value: (B*T, C, H, W).

        Returns:
            (B*T, C, H, W).
        """
        channels = query.shape[1]
        if query is value:
            q, k, v = F.linear(self._tokens(value), self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            q = F.linear(self._tokens(query), self.in_proj_weight[:channels], self.in_proj_bias[:channels])
            projected = F.linear(self._tokens(value), self.in_proj_weight[channels:], self.in_proj_bias[channels:])
            k, v = projected.chunk(2, -1)
        q, k, v = (self._heads(part) for part in (q, k, v))
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        mixed = (scores.softmax(-1) @ v).transpose(-2, -3).flatten(-2)
        out: torch.Tensor = self.out_proj(mixed)
        return out.permute(0, 3, 4, 1, 2).flatten(0, 1)

    def _tokens(self, x: torch.Tensor) -> torch.Tensor:
        """(B*T, C, H, W) to (B, H, W, T, C)."""
        return x.reshape(-1, self.n_views, *x.shape[1:]).permute(0, 3, 4, 1, 2)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, T, C) to (B, H, W, heads, T, C / heads)."""
        return x.reshape(*x.shape[:-1], self.n_heads, -1).transpose(-2, -3)
