"""SRDiff in the form that is exported: the whole few-step sampling as one graph.

The denoiser is exported as it is: ``network.denoise_fn`` takes (x_t, t, cond).
"""

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from models.breizhsr.diffusion import SRDiff, from_residual, spaced_times


class Sampler(nn.Module):
    """Sampling in few steps as one module, whose exported graph holds the denoiser once, in a loop.

    Args:
        network: the diffusion network.
        steps: denoiser calls, below the network's ``timesteps``.
        temperature: what the start noise is multiplied by. 1 draws from what the network holds for possible; less
            keeps nearer to its mean. Of a Gaussian, 0 leads to the mean itself, since then the steps approach the map
            from a start z to mean + deviation z (Song et al., "Score-based generative modeling through SDEs", 2021,
            section 4.3).
        fresh: whether each step has fresh noise (DDIM, eta 1); otherwise the start decides everything.

    Raises:
        ValueError: ``steps`` or ``temperature`` is out of range.
    """

    times: Tensor

    def __init__(self, network: SRDiff, steps: int, temperature: float = 1.0, *, fresh: bool = False) -> None:
        super().__init__()
        if not 1 <= steps < network.timesteps:
            raise ValueError(f"steps must be 1 to {network.timesteps - 1}, below the timesteps, but it is {steps}.")
        if not 0 <= temperature <= 1:
            raise ValueError(f"temperature must be 0 to 1, but it is {temperature}.")
        self.network = network
        self.steps, self.temperature, self.fresh = steps, temperature, fresh
        self.parts = steps + 1 if fresh else 1
        times = torch.tensor([*spaced_times(network.timesteps, steps), -1])
        # One column: a time of shape (1,) indexes the schedule in a graph, a bare number does not.
        self.register_buffer("times", times.unsqueeze(1), persistent=False)

    def forward(
        self,
        x: Tensor,
        up: Tensor,
        noise: Tensor | None = None,
        days: Tensor | None = None,
        alphas: Tensor | None = None,
    ) -> Tensor:
        """The image that the ``noise`` leads to.

        Args:
            x: LR input of the backbone, in -1..1.
            up: upsampled LR image (B, 3, 4H, 4W) in -1..1.
            noise: standard normal (B, 3 parts, 4H, 4W), three planes that it starts from, and where it is fresh three
                for each step; None: zero, which is all that the temperature 0 leaves of it.
            days: (B, T) signed day offsets, for a backbone with an L-TAE.
            alphas: (B, T), 0 for padded views.

        Returns:
            (B, 3, 4H, 4W), within 0.5 of ``up``.
        """
        noise = torch.zeros_like(up).repeat(1, self.parts, 1, 1) if noise is None else self.temperature * noise
        draws = noise.reshape(noise.shape[0], self.parts, 3, *noise.shape[2:]).movedim(1, 0)
        draws = draws.contiguous()  # as the carry of the loop must be
        if not torch.compiler.is_exporting():
            return self.network.sample(x, up, days, alphas, draws, self.steps, fresh=self.fresh)
        denoiser = self.network.denoise_fn
        projected = denoiser.project(self.network.condition(x, days, alphas))

        def step(residual: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            t, before, *z = given
            eps = denoiser.predict(residual, t.expand(residual.shape[0]), projected)
            return self.network.implicit_step(residual, t, before, eps, *z), t.clone()

        given = (self.times[:-1], self.times[1:], *([draws[1:]] if self.fresh else []))
        residual: Tensor = scan(step, draws[0], given, dim=0)[0]
        return from_residual(residual, up)


class Ancestral(nn.Module):
    """SRDiff's own sampling: every step, fresh noise in each (Li et al., algorithm 2), with the noise of a seed.

    Args:
        sampler: whose network is sampled.
        seed: of the noise, drawn on the CPU step by step, so that it is the same on every device and none is kept.
    """

    def __init__(self, sampler: Sampler, seed: int) -> None:
        super().__init__()
        self.network, self.seed = sampler.network, seed

    def forward(
        self, x: Tensor, up: Tensor, noise: Tensor, days: Tensor | None = None, alphas: Tensor | None = None
    ) -> Tensor:
        """As :meth:`Sampler.forward`; the first planes of ``noise`` are what sampling starts from."""
        generator = torch.Generator().manual_seed(self.seed)
        return self.network.sample(x, up, days, alphas, start=noise[:, :3], generator=generator)
