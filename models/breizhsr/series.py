"""The networks for a series of images of one place: HighRes-net, the L-TAE in its place, and their RRDB variants."""

import torch
from torch import Tensor, nn

from models.breizhsr.attention import LTAE
from models.breizhsr.dense import RRDBDecoder, RRDBEncoder
from models.breizhsr.fusion import Decoder, Encoder, RecursiveFusion
from models.shared.detail import FLOOR, with_detail

ANCHORS = ("closest", "median")


def check_series(x: Tensor, per_view: Tensor | None, meaning: str) -> None:
    """Refuses what is no series (B, T, 3, H, W) with one value (B, T) per view.

    Raises:
        ValueError: a shape is wrong; the message says which and what was expected.
    """
    if x.ndim != 5 or x.shape[2] != 3:
        raise ValueError(f"a series has the shape (batch, views, 3, height, width), but x is {tuple(x.shape)}.")
    if per_view is not None and per_view.shape != x.shape[:2]:
        raise ValueError(
            f"{meaning} has one value per view, shape {tuple(x.shape[:2])}, but it is {tuple(per_view.shape)}."
        )


def median_anchor(x: Tensor, alphas: Tensor | None = None) -> Tensor:
    """The per-pixel median (B, 3, H, W) of the views with alpha not 0; of an even number, the lower middle value."""
    if alphas is None:
        return x.sort(1).values[:, (x.shape[1] - 1) // 2]
    real = alphas != 0
    ordered = x.masked_fill(~real[:, :, None, None, None], torch.inf).sort(1).values
    middle = (real.sum(1).clamp(min=1) - 1) // 2
    return ordered[torch.arange(x.shape[0], device=x.device), middle]


def closest_anchor(x: Tensor, days: Tensor, alphas: Tensor | None = None, reference_compat: bool = False) -> Tensor:
    """The view (B, 3, H, W) with the smallest absolute day offset, padded views left out.

    ``reference_compat`` takes sample i's view from sample i - 1, for every i but the first, as the reference does.
    """
    distance = days.abs().to(torch.float32)
    if alphas is not None:
        distance = distance.masked_fill(alphas == 0, torch.inf)
    sample = torch.arange(x.shape[0], device=x.device)
    return x[(sample - 1).clamp(min=0) if reference_compat else sample, distance.argmin(1)]


class HighResNet(nn.Module):
    """HighRes-net with its recursive fusion, three bands, x4.

    Args:
        channels: channels of the encodings.
        res_layers: residual blocks of the encoder.
        reference_compat: True drops the last view of every odd level of the fusion, as the reference does.
        bicubic_residual: True adds detail to the bicubic enlargement of the views' median, where it starts
            (:mod:`models.shared.detail`), instead of giving the image. The paper does not do that.
        flat_contrast: of that detail, the contrast below which an image counts as flat, in a range of -1..1.
    """

    def __init__(
        self,
        channels: int = 64,
        res_layers: int = 2,
        reference_compat: bool = False,
        *,
        bicubic_residual: bool = False,
        flat_contrast: float = FLOOR,
    ) -> None:
        super().__init__()
        self.encode = Encoder(channels, res_layers)
        self.fuse = RecursiveFusion(channels, reference_compat)
        self.decode = Decoder(channels)
        self.condition_channels = channels
        self.bicubic_residual, self.flat_contrast = bicubic_residual, flat_contrast
        if bicubic_residual:
            self.decode.start_flat()

    def forward(self, x: Tensor, alphas: Tensor | None = None) -> Tensor:
        """Views (B, T, 3, H, W) in -1..1 with weights (B, T), 0 for padding, to (B, 3, 4H, 4W), about -1..1."""
        if self.bicubic_residual:
            return with_detail(
                median_anchor(x, alphas), x, lambda seen: self._image(seen, alphas), 4, self.flat_contrast
            )
        return self._image(x, alphas)

    def _image(self, x: Tensor, alphas: Tensor | None) -> Tensor:
        image: Tensor = self.decode(self.condition(x, alphas=alphas))
        return image

    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The fused encoding (B, channels, H, W). The anchor is the median of all views, padded ones included."""
        check_series(x, alphas, "alphas")
        weights = x.new_ones(x.shape[:2]) if alphas is None else alphas
        fused: Tensor = self.fuse(self.encode(x, median_anchor(x)), weights)
        return fused


class HighResNetLTAE(nn.Module):
    """BreizhSR's main network: HighRes-net's encoder and decoder around an L-TAE that reads the dates.

    Args:
        anchor: the image every view is encoded with: "closest" in date to the target, or the "median".
        channels: channels of the encodings, a multiple of ``heads``.
        res_layers: residual blocks of the encoder.
        d_model: width of the attention, a multiple of ``heads``.
        heads: attention heads.
        reference_compat: True takes the closest anchor from the wrong sample of a batch, as the reference does.
        bicubic_residual: True adds detail to the bicubic enlargement of the view nearest in date, where it starts
            (:mod:`models.shared.detail`), instead of giving the image. The paper does not do that.
        flat_contrast: of that detail, the contrast below which an image counts as flat, in a range of -1..1.

    Raises:
        ValueError: ``anchor`` is neither of the two, or a width is no multiple of ``heads``.
    """

    def __init__(
        self,
        anchor: str = "closest",
        channels: int = 64,
        *,
        res_layers: int = 2,
        d_model: int = 128,
        heads: int = 16,
        reference_compat: bool = False,
        bicubic_residual: bool = False,
        flat_contrast: float = FLOOR,
    ) -> None:
        super().__init__()
        self.anchor = _known_anchor(anchor)
        self.encoder = Encoder(channels, res_layers)
        self.temporal_encoder = LTAE(channels, d_model, heads)
        self.decoder = Decoder(channels)
        self.condition_channels = channels
        self.reference_compat = reference_compat
        self.bicubic_residual, self.flat_contrast = bicubic_residual, flat_contrast
        if bicubic_residual:
            self.decoder.start_flat()

    def forward(self, x: Tensor, days: Tensor, alphas: Tensor | None = None) -> Tensor:
        """The image of the date that ``days`` counts from.

        Args:
            x: (B, T, 3, H, W) in -1..1.
            days: (B, T) signed offsets of the views to the wanted date, in days.
            alphas: (B, T), 0 for a padded view, which then has no influence; None: all views are real.

        Returns:
            (B, 3, 4H, 4W), about -1..1.
        """
        if self.bicubic_residual:
            nearest = closest_anchor(x, days, alphas)
            return with_detail(nearest, x, lambda seen: self._image(seen, days, alphas), 4, self.flat_contrast)
        return self._image(x, days, alphas)

    def _image(self, x: Tensor, days: Tensor, alphas: Tensor | None) -> Tensor:
        image: Tensor = self.decoder(self.condition(x, days, alphas))
        return image

    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The fused encoding (B, channels, H, W).

        Raises:
            ValueError: ``days`` is missing, a shape is wrong, or a series has no view but padding.
        """
        days = _given_days(x, days, alphas)
        if self.anchor == "median":
            anchor = median_anchor(x, alphas)
        else:
            anchor = closest_anchor(x, days, alphas, self.reference_compat)
        fused: Tensor = self.temporal_encoder(self.encoder(x, anchor), days, alphas)[0]
        return fused


class RRDBLTAE(nn.Module):
    """An RRDB encoder per view, an L-TAE over the dates, an RRDB decoder (an ablation of the paper).

    Args:
        anchor: accepted as by :class:`HighResNetLTAE`; this network concatenates no anchor, so it changes nothing.
        num_blocks: RRDB blocks of the encoder.
        nf: channels of the features, a multiple of ``heads``.
        gc: channels that each dense layer adds.
        d_model: width of the attention, a multiple of ``heads``.
        heads: attention heads.
        bicubic_residual: True adds detail to the bicubic enlargement of the view nearest in date, where it starts
            (:mod:`models.shared.detail`), instead of giving the image. The paper does not do that.
        flat_contrast: of that detail, the contrast below which an image counts as flat, in a range of -1..1.

    Raises:
        ValueError: ``anchor`` is unknown, or a width is no multiple of ``heads``.
    """

    def __init__(
        self,
        anchor: str = "closest",
        num_blocks: int = 8,
        nf: int = 32,
        gc: int = 32,
        *,
        d_model: int = 128,
        heads: int = 16,
        bicubic_residual: bool = False,
        flat_contrast: float = FLOOR,
    ) -> None:
        super().__init__()
        _known_anchor(anchor)
        self.encoder = RRDBEncoder(num_blocks, nf, gc)
        self.temporal_encoder = LTAE(nf, d_model, heads)
        self.decoder = RRDBDecoder(nf)
        self.condition_channels = nf
        self.bicubic_residual, self.flat_contrast = bicubic_residual, flat_contrast
        if bicubic_residual:
            self.decoder.start_flat()

    def forward(self, x: Tensor, days: Tensor, alphas: Tensor | None = None) -> Tensor:
        """As :meth:`HighResNetLTAE.forward`; the output is clamped to -1..1."""
        if self.bicubic_residual:
            nearest = closest_anchor(x, days, alphas)
            return with_detail(nearest, x, lambda seen: self._image(seen, days, alphas), 4, self.flat_contrast)
        return self._image(x, days, alphas)

    def _image(self, x: Tensor, days: Tensor, alphas: Tensor | None) -> Tensor:
        image: Tensor = self.decoder(self.condition(x, days, alphas))
        return image * 2 - 1

    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The fused features (B, nf, H, W).

        Raises:
            ValueError: ``days`` is missing, a shape is wrong, or a series has no view but padding.
        """
        days = _given_days(x, days, alphas)
        encoded = torch.unflatten(self.encoder((x.flatten(0, 1) + 1) / 2), 0, x.shape[:2])
        fused: Tensor = self.temporal_encoder(encoded, days, alphas)[0]
        return fused


class RRDBHighResNet(nn.Module):
    """An RRDB encoder per view, HighRes-net's recursive fusion, an RRDB decoder (an ablation of the paper).

    Args:
        num_blocks: RRDB blocks of the encoder.
        nf: channels of the features.
        gc: channels that each dense layer adds.
        reference_compat: True returns the decoder's 0..1 although the targets are in -1..1, and drops the last view
            of every odd level of the fusion, as the reference does.
        bicubic_residual: True adds detail to the bicubic enlargement of the views' median, where it starts
            (:mod:`models.shared.detail`), instead of giving the image. The paper does not do that.
        flat_contrast: of that detail, the contrast below which an image counts as flat, in a range of -1..1.
    """

    def __init__(
        self,
        num_blocks: int = 15,
        nf: int = 32,
        gc: int = 32,
        reference_compat: bool = False,
        *,
        bicubic_residual: bool = False,
        flat_contrast: float = FLOOR,
    ) -> None:
        super().__init__()
        self.encoder = RRDBEncoder(num_blocks, nf, gc)
        self.fuse = RecursiveFusion(nf, reference_compat)
        self.decoder = RRDBDecoder(nf)
        self.condition_channels = nf
        self.reference_compat = reference_compat
        self.bicubic_residual, self.flat_contrast = bicubic_residual, flat_contrast
        if bicubic_residual:
            self.decoder.start_flat()

    def forward(self, x: Tensor, alphas: Tensor | None = None) -> Tensor:
        """Views (B, T, 3, H, W) in -1..1 with weights (B, T), 0 for padding, to (B, 3, 4H, 4W) in -1..1."""
        if self.bicubic_residual:
            return with_detail(
                median_anchor(x, alphas), x, lambda seen: self._image(seen, alphas), 4, self.flat_contrast
            )
        return self._image(x, alphas)

    def _image(self, x: Tensor, alphas: Tensor | None) -> Tensor:
        image: Tensor = self.decoder(self.condition(x, alphas=alphas))
        return image if self.reference_compat else image * 2 - 1

    def condition(self, x: Tensor, days: Tensor | None = None, alphas: Tensor | None = None) -> Tensor:
        """The fused features (B, nf, H, W); the encoder reads -1..1 as it is, as in the reference."""
        check_series(x, alphas, "alphas")
        weights = x.new_ones(x.shape[:2]) if alphas is None else alphas
        encoded = torch.unflatten(self.encoder(x.flatten(0, 1)), 0, x.shape[:2])
        fused: Tensor = self.fuse(encoded, weights)
        return fused


def _known_anchor(anchor: str) -> str:
    if anchor not in ANCHORS:
        raise ValueError(f"anchor is one of {', '.join(ANCHORS)}, but it is {anchor!r}.")
    return anchor


def _given_days(x: Tensor, days: Tensor | None, alphas: Tensor | None) -> Tensor:
    if days is None:
        raise ValueError("this network reads the dates of its views: give days, the signed offsets (batch, views).")
    check_series(x, days, "days")
    check_series(x, alphas, "alphas")
    # A graph cannot look at values, so an exported network has no such check.
    if alphas is not None and not torch.compiler.is_exporting() and bool((alphas == 0).all(1).any()):
        raise ValueError("every series needs a view that is not padding, but one has alpha 0 for all of its views.")
    return days
