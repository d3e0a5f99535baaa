"""Losses for images whose brightness, and position to within some pixels, differ from the target's.

All take images (B, 1, H, W) in 0..1 and a mask of the same shape that is 1 where the target is clear. Each image counts
by its clear pixels; an image without any is left out, and a batch without any gives 0 with zero gradients.

The *registered* loss compares the output's interior with every crop of the target that lies within ``border`` pixels
(49 crops for a border of 3, the mask moves with the target), corrects the mean brightness for each, and keeps the best.
"""

import torch

# Mean squared errors below this (120 dB, a twentieth of what 16-bit rounding leaves) no longer count as progress.
FLOOR = 1e-12


def cpsnr_loss(
    output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, reference_compat: bool = False
) -> torch.Tensor:
    """QA-Net's training loss: minus the mean brightness-corrected PSNR of clear pixels, in dB, without registration.

    As in the reference the count of clear pixels is one too high, and the brightness bias is not differentiated.

    Args:
        output: (B, 1, H, W) super-resolved images.
        target: (B, 1, H, W) high-resolution images.
        mask: (B, 1, H, W), 1 where the target is clear.
        reference_compat: what the reference computes instead, because its sums run over another axis than meant: the
            score of each image *column*, whose error is summed over the biases of every column of the batch.

    Returns:
        The loss, a scalar; lower is better.

    Raises:
        ValueError: the shapes differ.
    """
    output, target, mask = _checked(output, target, mask)
    if reference_compat:
        return _column_loss(output, target, mask)
    count = mask.sum((-2, -1), keepdim=True) + 1
    bias = ((mask * (target - output)).sum((-2, -1), keepdim=True) / count).detach()
    error = (mask * (output + bias - target) ** 2).sum((-2, -1), keepdim=True) / count
    return -_mean_where(_decibels(error), count > 1)


def registered_cpsnr_loss(
    output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, border: int = 3
) -> torch.Tensor:
    """Minus the mean over images of Proba-V's cPSNR, in dB: the competition's metric as a loss (TR-MISR's "L2").

    Args:
        output: (B, 1, H, W) super-resolved images.
        target: (B, 1, H, W) high-resolution images.
        mask: (B, 1, H, W), 1 where the target is clear.
        border: largest shift in pixels, in each direction.

    Returns:
        The loss, a scalar; lower is better.

    Raises:
        ValueError: the shapes differ, or nothing is left inside the border.
    """
    residual, clear = _crops(output, target, mask, border)
    best, valid = _best(residual**2, clear)
    return -_mean_where(_decibels(best), valid)


def brightness_loss(output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over images of the absolute difference of mean brightness, over clear pixels: a scalar in 0..1.

    The losses above correct it before they measure, so that alone they let a network's brightness drift, even below 0.

    Args:
        output: (B, 1, H, W) super-resolved images.
        target: (B, 1, H, W) high-resolution images.
        mask: (B, 1, H, W), 1 where the target is clear.

    Raises:
        ValueError: the shapes differ.
    """
    output, target, mask = _checked(output, target, mask)
    count = mask.sum((-2, -1))
    bias = (mask * (target - output)).sum((-2, -1)) / count.clamp_min(1)
    return _mean_where(bias.abs(), count > 0)


def _column_loss(output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """QA-Net's loss as executed: a score per column (B, 1, W), its error summed over the biases of all columns."""
    residual, clear = mask * (output - target), mask.sum(-2)
    count = clear + 1
    biases = (-residual.sum(-2) / count).detach()
    # The sum over all biases b of sum(mask * (output + b - target)^2), multiplied out.
    energy = biases.numel() * (residual**2).sum(-2) + 2 * biases.sum() * residual.sum(-2) + (biases**2).sum() * clear
    scored = clear > 0
    scores = torch.where(scored, _decibels(energy / count), 0.0).sum(-1)
    return -_mean_where(scores / scored.sum(-1).clamp_min(1), scored.any(-1))


def _checked(*images: torch.Tensor) -> list[torch.Tensor]:
    """The images in at least float32, after their shapes were compared: broadcasting here is always a mistake."""
    if len({image.shape for image in images}) > 1 or images[0].dim() != 4:
        shapes = ", ".join(str(tuple(image.shape)) for image in images)
        raise ValueError(f"output, target and mask must have one shape (B, 1, H, W): got {shapes}")
    return [image.to(torch.promote_types(images[0].dtype, torch.float32)) for image in images]


def _interior(image: torch.Tensor, border: int) -> torch.Tensor:
    """(B, 1, H, W) to (B, 1, 1, 1, H - 2 border, W - 2 border), which broadcasts against the crops of a target."""
    height, width = image.shape[-2:]
    return image[:, :, None, None, border : height - border, border : width - border]


def _crops(
    output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, border: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What remains of the output's interior against every crop of the target once the mean brightness is corrected.

    Returns:
        Residuals (B, 1, S, S, h, w) with S = 2 border + 1, and masks of the same shape.
    """
    output, target, mask = _checked(output, target, mask)
    height, width = output.shape[-2] - 2 * border, output.shape[-1] - 2 * border
    if min(height, width) < 1:
        raise ValueError(
            f"images of {output.shape[-2]} x {output.shape[-1]} pixels leave nothing inside a border of {border}: "
            "use larger crops or a smaller border"
        )
    crops, clear = (image.unfold(-2, height, 1).unfold(-2, width, 1) for image in (target, mask))
    difference = crops - _interior(output, border)
    bias = (clear * difference).sum((-2, -1), keepdim=True) / clear.sum((-2, -1), keepdim=True).clamp_min(1)
    return difference - bias, clear


def _best(error: torch.Tensor, clear: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest mean error over clear pixels among the crops, and whether any had a clear pixel: both (B, 1)."""
    count = clear.sum((-2, -1))
    means = (error * clear).sum((-2, -1)) / count.clamp_min(1)
    valid = (count > 0).flatten(-2).any(-1)
    best = torch.where(count > 0, means, torch.inf).flatten(-2).amin(-1)
    return torch.where(valid, best, 1.0), valid


def _decibels(squared_error: torch.Tensor) -> torch.Tensor:
    """PSNR for a peak of 1."""
    return -10 * torch.log10(squared_error.clamp_min(FLOOR))


def _mean_where(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """The mean of the valid values; 0, still differentiable, if there is none."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp_min(1)
