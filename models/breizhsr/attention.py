"""L-TAE: light temporal attention over the dates of a series, at every pixel.

Sainte Fare Garnot & Landrieu, "Lightweight Temporal Self-Attention", 2020, sections 3.2 and 3.3. The sequences of all
pixels are never laid out one after the other: every step works on (B, T, C, H, W) as the encoder leaves it.
"""

import math

import torch
from torch import Tensor, nn

PERIOD = 1000.0
EXCLUDED = -1e4  # a logit whose softmax weight is exactly 0, within the range of half precision


class PositionalEncoder(nn.Module):
    """Sines and cosines of signed day offsets, the same for every head.

    Args:
        channels: values per head (d_model / heads).
        heads: how often these values are repeated.
    """

    divisors: Tensor

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        exponent = 2 * torch.div(torch.arange(channels, dtype=torch.float64), 2, rounding_mode="floor") / channels
        self.register_buffer("divisors", (PERIOD**exponent).float(), persistent=False)
        self.heads = heads

    def forward(self, days: Tensor) -> Tensor:
        """Offsets in days (B, T), float or int, to (B, T, heads * channels)."""
        angles = days.to(self.divisors.dtype).unsqueeze(-1) / self.divisors
        waves = torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], -1).flatten(-2)
        return waves.repeat(1, 1, self.heads)


class AttentionHeads(nn.Module):
    """One learned query per head against keys that are linear in the sequence.

    Args:
        d_model: channels of the sequence.
        heads: attention heads.
        d_k: length of a key.
    """

    def __init__(self, d_model: int, heads: int, d_k: int) -> None:
        super().__init__()
        self.Q = nn.Parameter(torch.empty(heads, d_k))
        self.fc1_k = nn.Linear(d_model, heads * d_k)
        nn.init.normal_(self.Q, std=math.sqrt(2 / d_k))
        nn.init.normal_(self.fc1_k.weight, std=math.sqrt(2 / d_k))

    def logits(self, sequence: Tensor) -> Tensor:
        """(N, d_model, P) to (N, heads, P).

        The query does not depend on the pixel, so query times key is one linear map of d_model channels per head.
        """
        heads, d_k = self.Q.shape
        query = self.Q / math.sqrt(d_k)
        weight = torch.einsum("hk,hkc->hc", query, self.fc1_k.weight.view(heads, d_k, -1))
        bias = (query * self.fc1_k.bias.view(heads, d_k)).sum(1)
        # Backwards, this is faster on a CPU than the same map as a convolution with one tap.
        return torch.baddbmm(bias[:, None], weight.expand(sequence.shape[0], -1, -1), sequence)


class LTAE(nn.Module):
    """Reduces a dated series of feature maps to one feature map.

    Args:
        channels: channels of the feature maps, in and out; a multiple of ``heads``.
        d_model: width of the attention; a multiple of ``heads``.
        heads: attention heads, and groups of both normalisations. A group of two channels keeps only which of the
            two is larger at a pixel; four or more channels per head are needed to learn anything.
        d_k: length of a key.
    """

    def __init__(self, channels: int = 64, d_model: int = 128, heads: int = 16, d_k: int = 4) -> None:
        super().__init__()
        if channels % heads or d_model % heads:
            raise ValueError(f"channels {channels} and d_model {d_model} must be multiples of heads {heads}.")
        self.inconv = nn.Conv1d(channels, d_model, 1)
        self.positional_encoder = PositionalEncoder(d_model // heads, heads)
        self.attention_heads = AttentionHeads(d_model, heads, d_k)
        self.in_norm = nn.GroupNorm(heads, channels)
        self.out_norm = nn.GroupNorm(heads, channels)
        self.mlp = nn.Sequential(nn.Linear(d_model, channels), nn.BatchNorm1d(channels), nn.ReLU())
        self.attention_dropout = nn.Dropout(0.1)
        self.dropout = nn.Dropout(0.2)
        self.heads = heads

    def forward(self, series: Tensor, days: Tensor, alphas: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Fuses the series.

        Args:
            series: (B, T, channels, H, W).
            days: (B, T) signed offsets to the target date, in days.
            alphas: (B, T), 0 for a padded view, which then has no influence on the result; None: all are real.

        Returns:
            The fused map (B, channels, H, W) and the attention (heads, B, T, H, W).
        """
        batch, views, _, height, width = series.shape
        real = None if alphas is None else (alphas != 0)[:, :, None, None]
        x: Tensor = self.inconv(_pixel_norm(series.flatten(3), self.in_norm, real).flatten(0, 1))
        x += self.positional_encoder(days).to(x.dtype).flatten(0, 1).unsqueeze(-1)
        logits = self.attention_heads.logits(x).view(batch, views, self.heads, -1)
        if real is not None:
            logits = logits.masked_fill(~real, EXCLUDED)
        attention = logits.softmax(1)
        values = x.view(batch, views, self.heads, -1, height * width)
        averaged = (values * self.attention_dropout(attention).unsqueeze(3)).sum(1).flatten(1, 2)
        pixels = averaged.transpose(1, 2).flatten(0, 1)
        fused = self.dropout(self.mlp(pixels)).view(batch, 1, height * width, -1).transpose(2, 3)
        return (
            _pixel_norm(fused, self.out_norm, None).reshape(batch, -1, height, width),
            attention.permute(2, 0, 1, 3).reshape(self.heads, batch, views, height, width),
        )


def _pixel_norm(x: Tensor, norm: nn.GroupNorm, real: Tensor | None) -> Tensor:
    """``norm`` over (T, channels of a group) of every pixel of (B, T, C, P); ``real`` says which views count."""
    # As torch's own normalisations do under autocast: statistics of half-precision features are taken in float32.
    grouped = torch.unflatten(x.to(torch.promote_types(x.dtype, torch.float32)), 2, (norm.num_groups, -1))
    weight, bias = (values.view(*grouped.shape[2:4], 1) for values in (norm.weight, norm.bias))

    def average(values: Tensor) -> Tensor:
        if real is None:
            return values.mean((1, 3), keepdim=True)
        share = real.unsqueeze(3) / (real.unsqueeze(3).sum(1, keepdim=True).clamp(min=1) * grouped.shape[3])
        return (values * share.to(values.dtype)).sum((1, 3), keepdim=True)

    # Two passes: torch.var_mean over these axes takes three times as long on a CPU.
    centred = grouped - average(grouped)
    scale = torch.rsqrt(average(centred.square()) + norm.eps) * weight
    return torch.addcmul(bias, centred, scale).flatten(2, 3)
