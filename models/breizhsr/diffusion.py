"""SRDiff: diffusion of the residual between the HR image and the upsampled LR image, conditioned on a frozen network.

Li et al., "SRDiff", 2022, section 3; BreizhSR, section 4. Schedule: Nichol & Dhariwal, "Improved Denoising Diffusion
Probabilistic Models", 2021, equation 17. Sampling in few steps: Song et al., "DDIM", 2021, equation 12, with eta 0
(deterministic), or with eta 1 (fresh noise in each step: ancestral sampling of fewer times).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.breizhsr.dense import RRDB
from models.breizhsr.series import RRDBLTAE, HighResNet, HighResNetLTAE, RRDBHighResNet
from models.breizhsr.unet import SCALE, UNet

BACKBONES = ("rrdb", "highresnet", "highresnet_ltae", "rrdb_ltae", "rrdb_highresnet", "none")
RESIDUAL_GAIN = 2.0


def cosine_schedule(timesteps: int) -> dict[str, Tensor]:
    """The constants of the diffusion, each (timesteps,) float32, computed in float64.

    Returns:
        Names as in the authors' checkpoints: ``betas``, ``alphas_cumprod`` and ten that follow from them.
    """
    u = torch.linspace(0, 1, timesteps + 1, dtype=torch.float64)
    f = ((u + 0.008) / 1.008 * math.pi / 2).cos().square()
    betas = (1 - f[1:] / f[:-1]).clamp(0, 0.999)
    alphas = 1 - betas
    kept = alphas.cumprod(0)
    kept_before = torch.cat([kept.new_ones(1), kept[:-1]])
    variance = betas * (1 - kept_before) / (1 - kept)
    schedule = {
        "betas": betas,
        "alphas_cumprod": kept,
        "alphas_cumprod_prev": kept_before,
        "sqrt_alphas_cumprod": kept.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - kept).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - kept).log(),
        "sqrt_recip_alphas_cumprod": (1 / kept).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / kept - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * kept_before.sqrt() / (1 - kept),
        "posterior_mean_coef2": (1 - kept_before) * alphas.sqrt() / (1 - kept),
    }
    return {name: values.float() for name, values in schedule.items()}


def spaced_times(timesteps: int, steps: int) -> list[int]:
    """The middles of ``steps`` equal parts of the diffusion, latest first.

    The very last time is left out on purpose: there the residual is so faint that its estimate is noise, and steps
    this long would carry it on (with 8 steps of 100, the sample was 0.5 dB worse, with 2 steps 12 dB).
    """
    return [(2 * part + 1) * timesteps // (2 * steps) for part in reversed(range(steps))]


def to_residual(image: Tensor, up: Tensor) -> Tensor:
    """What is diffused: the difference of two images in -1..1, doubled and clamped to -1..1."""
    return ((image - up) * RESIDUAL_GAIN).clamp(-1, 1)


def from_residual(residual: Tensor, up: Tensor) -> Tensor:
    """The image that :func:`to_residual` came from, wherever it is within 0.5 of ``up``."""
    return residual.clamp(-1, 1) / RESIDUAL_GAIN + up


class SRDiff(nn.Module):
    """Samples an HR image by diffusion; the network it is conditioned on is pretrained and stays as it is.

    ``train()`` leaves the backbone in evaluation mode and its parameters require no gradient, so that
    ``filter(requires_grad, parameters())`` is what a training optimises. Load the backbone's pretrained weights into
    ``.rrdb`` (the authors' name, whatever the backbone).

    Args:
        backbone: one of rrdb (the 8-block form), highresnet, highresnet_ltae, rrdb_ltae, rrdb_highresnet, or none:
            the LR image itself is the condition.
        timesteps: steps of the diffusion.
        anchor: of the backbones with an L-TAE; the paper's diffusion uses the median.
        channels: channels of the U-Net's topmost level.
        multipliers: channels of the U-Net's levels, in multiples of ``channels``.
        backbone_options: other keywords of the backbone, for reduced networks.
        reference_compat: passed to the backbones that have it.

    Raises:
        ValueError: ``backbone`` or ``anchor`` is unknown, or ``timesteps`` is below 1.
    """

    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    log_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor
    posterior_variance: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __init__(
        self,
        backbone: str = "rrdb",
        timesteps: int = 500,
        *,
        anchor: str = "median",
        channels: int = 64,
        multipliers: Sequence[int] = (1, 2, 3, 4),
        backbone_options: Mapping[str, Any] | None = None,
        reference_compat: bool = False,
    ) -> None:
        super().__init__()
        if timesteps < 1:
            raise ValueError(f"timesteps must be at least 1, but it is {timesteps}.")
        for name, values in cosine_schedule(timesteps).items():
            self.register_buffer(name, values)
        network = _backbone(backbone, anchor, reference_compat, backbone_options or {})
        self.timesteps = timesteps
        self.denoise_fn = UNet(network.condition_channels if network else 3, channels, multipliers)
        self.rrdb = network.requires_grad_(False).eval() if network else None

    def train(self, mode: bool = True) -> "SRDiff":
        """Sets the mode of the denoiser; the backbone stays in evaluation mode."""
        super().train(mode)
        if self.rrdb is not None:
            self.rrdb.eval()
        return self

    def forward(self, x: Tensor, up: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The sampled image: :meth:`sample` with all steps and fresh noise."""
        return self.sample(x, up, days, alphas)

    @torch.no_grad()
    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The backbone's features that guide the denoiser, (B, C, H, W); nothing flows back into the backbone.

        Args:
            x: in -1..1, (B, 3, H, W) or (B, T, 3, H, W) as the backbone takes it.
            days: (B, T) signed day offsets, for a backbone with an L-TAE.
            alphas: (B, T), 0 for padded views; None: all are real.
        """
        return x if self.rrdb is None else self.rrdb.condition(x, days, alphas)

    def denoise(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """The noise that the U-Net sees in ``x_t``.

        Args:
            x_t: noisy residual (B, 3, 4H, 4W).
            t: (B,) time steps, 0 to timesteps - 1.
            cond: (B, C, H, W) from :meth:`condition`.

        Returns:
            (B, 3, 4H, 4W).
        """
        noise: Tensor = self.denoise_fn(x_t, t, cond)
        return noise

    def diffuse(self, residual: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """The residual (B, 3, H, W) with ``t`` (B,) steps of noise ``eps`` in it."""
        kept, noise = self.sqrt_alphas_cumprod[t], self.sqrt_one_minus_alphas_cumprod[t]
        return kept.view(-1, 1, 1, 1) * residual + noise.view(-1, 1, 1, 1) * eps

    def loss(
        self,
        x: Tensor,
        up: Tensor,
        target: Tensor,
        days: Tensor | None = None,
        alphas: Tensor | None = None,
        *,
        t: Tensor | None = None,
        eps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The training loss: mean absolute error of the predicted noise.

        Args:
            x: LR input of the backbone, in -1..1.
            up: upsampled LR image (B, 3, 4H, 4W) in -1..1.
            target: HR image (B, 3, 4H, 4W) in -1..1.
            days: (B, T) signed day offsets, for a backbone with an L-TAE.
            alphas: (B, T), 0 for padded views.
            t: (B,) time steps; None: drawn uniformly.
            eps: noise like ``target``; None: drawn from a standard normal, after ``t``.
            generator: what is drawn comes from it; None: torch's default.

        Returns:
            A scalar.
        """
        place = generator.device if generator else target.device
        if t is None:
            t = torch.randint(self.timesteps, target.shape[:1], generator=generator, device=place).to(target.device)
        if eps is None:
            eps = torch.randn(target.shape, generator=generator, device=place).to(target)
        noisy = self.diffuse(to_residual(target, up), t, eps)
        return F.l1_loss(self.denoise(noisy, t, self.condition(x, days, alphas)), eps)

    def reverse_step(self, x_t: Tensor, t: int, eps: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """One step of ancestral sampling.

        Args:
            x_t: (B, 3, H, W) at time ``t``.
            t: the time step.
            eps: predicted noise in ``x_t``.
            z: fresh standard normal noise; unused at ``t = 0``.

        Returns:
            The residual one step earlier, and the noise-free residual predicted at ``t``.
        """
        clean = self._clean(x_t, t, eps)
        mean = self.posterior_mean_coef1[t] * clean + self.posterior_mean_coef2[t] * x_t
        return mean + (0.5 * self.posterior_log_variance_clipped[t]).exp() * z if t else mean, clean

    def implicit_step(
        self, x_t: Tensor, t: int | Tensor, before: int | Tensor, eps: Tensor, z: Tensor | None = None
    ) -> Tensor:
        """One step (DDIM) from time ``t`` to ``before``; -1 stands for the clean residual.

        Deterministic (eta 0), or with fresh standard normal noise ``z`` (eta 1; unused where ``before`` is -1).
        """
        clean = self._clean(x_t, t, eps)
        # The noise that goes with the clamped residual, not the predicted one: the two must still add up to x_t.
        noise = (x_t - self.sqrt_alphas_cumprod[t] * clean) / self.sqrt_one_minus_alphas_cumprod[t]
        kept = F.pad(self.alphas_cumprod, (1, 0), value=1.0)[before + 1]
        if z is None:
            return kept.sqrt() * clean + (1 - kept).sqrt() * noise
        now = self.alphas_cumprod[t]
        variance = (1 - kept) / (1 - now) * (1 - now / kept)
        return kept.sqrt() * clean + (1 - kept - variance).clamp(min=0).sqrt() * noise + variance.sqrt() * z

    def _clean(self, x_t: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        return (self.sqrt_recip_alphas_cumprod[t] * x_t - self.sqrt_recipm1_alphas_cumprod[t] * eps).clamp(-1, 1)

    @torch.no_grad()
    def sample(
        self,
        x: Tensor,
        up: Tensor,
        days: Tensor | None = None,
        alphas: Tensor | None = None,
        noise: Tensor | None = None,
        steps: int | None = None,
        *,
        fresh: bool = False,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draws an HR image.

        Args:
            x: LR input of the backbone, in -1..1.
            up: upsampled LR image (B, 3, 4H, 4W) in -1..1; of a series, that of the single image.
            days: (B, T) signed day offsets, for a backbone with an L-TAE.
            alphas: (B, T), 0 for padded views.
            noise: (timesteps + 1, B, 3, 4H, 4W), the start followed by the noise of each step (that of the last one is
                not used); with fewer steps that are not ``fresh``, the start alone (1, B, 3, 4H, 4W) is enough. None:
                drawn in this order.
            steps: None or ``timesteps``: ancestral sampling with every step. Fewer: DDIM at that many evenly spaced
                times.
            fresh: whether fewer steps have fresh noise each; otherwise they are deterministic.
            start: (B, 3, 4H, 4W), what sampling starts from where ``noise`` is None; None: drawn too.
            generator: what is drawn comes from it; None: torch's default.

        Returns:
            (B, 3, 4H, 4W), within 0.5 of ``up``.

        Raises:
            ValueError: ``steps``, ``up`` or ``noise`` does not fit.
        """
        steps = self.timesteps if steps is None else steps
        ancestral = steps == self.timesteps
        self._check_sampling(x, up, noise, steps, steps + 1 if ancestral or fresh else 1)
        place = generator.device if generator else up.device

        def draw(index: int) -> Tensor:
            if noise is not None:
                return noise[index]
            if start is not None and index == 0:
                return start
            return torch.randn(up.shape, generator=generator, device=place).to(up)

        projected = self.denoise_fn.project(self.condition(x, days, alphas))
        residual = draw(0)
        times = spaced_times(self.timesteps, steps)
        for index, (t, before) in enumerate(zip(times, [*times[1:], -1], strict=True), start=1):
            eps = self.denoise_fn.predict(residual, torch.full(up.shape[:1], t, device=up.device), projected)
            if ancestral:
                residual = self.reverse_step(residual, t, eps, draw(index))[0]
            else:
                residual = self.implicit_step(residual, t, before, eps, draw(index) if fresh else None)
        return from_residual(residual, up)

    def _check_sampling(self, x: Tensor, up: Tensor, noise: Tensor | None, steps: int, least: int) -> None:
        if not 1 <= steps <= self.timesteps:
            raise ValueError(f"steps must be 1 to {self.timesteps}, the timesteps of this network, but it is {steps}.")
        expected = (x.shape[0], 3, SCALE * x.shape[-2], SCALE * x.shape[-1])
        if up.shape != expected:
            raise ValueError(f"up must have the shape {expected}, four times the input's, but it is {tuple(up.shape)}.")
        if noise is not None and (noise.shape[0] < least or noise.shape[1:] != up.shape):
            raise ValueError(
                f"noise must have the shape {(least, *expected)} (start, then one per step), "
                f"but it is {tuple(noise.shape)}."
            )


Backbone = RRDB | HighResNet | HighResNetLTAE | RRDBLTAE | RRDBHighResNet


def _backbone(name: str, anchor: str, reference_compat: bool, options: Mapping[str, Any]) -> Backbone | None:
    match name:
        case "none":
            return None
        case "rrdb":
            return RRDB(**{"num_blocks": 8, **options})
        case "highresnet":
            return HighResNet(reference_compat=reference_compat, **options)
        case "highresnet_ltae":
            return HighResNetLTAE(anchor, reference_compat=reference_compat, **options)
        case "rrdb_ltae":
            return RRDBLTAE(anchor, **options)
        case "rrdb_highresnet":
            return RRDBHighResNet(reference_compat=reference_compat, **options)
    raise ValueError(f"backbone is one of {', '.join(BACKBONES)}, but it is {name!r}.")
