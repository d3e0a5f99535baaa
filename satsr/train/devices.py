"""Where networks are trained and measured, and what several processes share beside their gradients."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def device() -> torch.device:
    """The GPU that torch finds, else the CPU: of training and measuring alike."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def share_statistics(network: nn.Module) -> None:
    """Lets every batch normalisation of ``network`` see the whole batch when several processes train on parts of it.

    Modules, names of weights and buffers, and evaluation stay as they are. torch's SyncBatchNorm does the same, on GPUs
    alone.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, _Shared):
            kind: Any = type(module)
            module.__class__ = type(f"Shared{kind.__name__}", (kind, _Shared), {})


class _Shared(_BatchNorm):
    """A batch normalisation whose mean and variance in training are those of all processes' inputs together.

    The sum over the processes is differentiated too, so that gradients averaged over the processes are those of the
    whole batch (Ioffe and Szegedy 2015, section 3, with the batch spread out).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to the same, by the statistics over N and ... of all processes."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
        count = _total(torch.full((1,), x.numel() / x.shape[1], device=x.device, dtype=x.dtype))
        mean = _total(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _total(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        result = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result.to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics as torch does: by the momentum, or as a plain mean of all steps without one."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def _total(value: Tensor) -> Tensor:
    """The sum over the processes; its gradient is summed as well."""
    from torch.distributed.nn.functional import all_reduce  # where torch is built without it, one process trains

    total: Tensor = all_reduce(value, op=distributed.ReduceOp.SUM)  # type: ignore[no-untyped-call]
    return total
