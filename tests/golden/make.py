"""Makes the compact golden files of this folder from the full ones: SATSR_GOLDEN=folder python -m tests.golden.make.

The bytes depend on the full files and the lists below alone. An input that ``inputs.py`` makes again is not stored,
but must equal the full one to the bit.
"""

import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np

from tests.golden import compact, load

WHOLE = {
    "breizhsr/data_metrics.npz": r"s2|spot|s2_norm|A|B|A_matlab_down4|m_(?!lpips).*|ssim_torch|shift_l1_loss",
    "breizhsr/schedule.npz": r".*",
    "breizhsr/encodings.npz": r".*",
    "breizhsr/rrdb8.npz": r"l1|grad_.*",
    "breizhsr/highresnet.npz": r"l1|grad_.*",
    "breizhsr/highresnet_ltae_median.npz": r"l1|grad_.*|ltae_\w+_pixels",
    "breizhsr/srdiff_rrdb.npz": r"loss|grad_.*",
    "qanet/bicubic_baseline.npz": r"lr_u16|qm",
    "qanet/loss_inputs.npz": r".*",
    "qanet/metric_inputs.npz": r"sm_part",
    "qanet/select9_objective.npz": r"masks|sm|subsets|objective",
    "rasvsr/demo_svsr.npz": r".*",
    "rasvsr/imresize.npz": r"structured/in",
    "rasvsr/metrics.npz": r"img/(structured|identical)/.*|(psnr|ssim)/.*|tensor2img/.*",
    "srgan/tile_blending.npz": r"ramp_.*|stitch_windows_lr",
    "srgan/seed_metrics_norms.npz": r"v|norm|denorm|hist_mean|val_.*",
}
COMPACT = {
    "breizhsr/data_metrics.npz": r"spot_norm|hist_matched|moment_matched|s2_up_cv2cubic",
    "breizhsr/rrdb8.npz": r"y|feas_first|feas_last",
    "breizhsr/highresnet.npz": r"y|fea|y_odd5",
    "breizhsr/highresnet_ltae_median.npz": r"y|fea|ltae_in|ltae_out|ltae_att",
    "breizhsr/srdiff_rrdb.npz": r"x0_res|x_t|eps|x_prev|x0_pred|sample|backbone_out|cond",
    "msdtgp/dcnv2_only.npz": r"y",
    "msdtgp/forward_64.npz": r"output_float64",
    "msdtgp/stages_16x20.npz": r".*",
    "qanet/bicubic_baseline.npz": r"baseline_old_warp",
    "qanet/full_eval_b1_9x32.npz": r"y64",
    "qanet/tiny_eval_b1_9x16_mid.npz": r"y64|init_.|.*_out|fused_in_last",
    "qanet/metric_inputs.npz": r"hr_cloud_u16",
    "rasvsr/a_intermediates.npz": r".*",
    "rasvsr/b_2f_64x64.npz": r"output",
    "rasvsr/d_5f_68x100.npz": r"output",
    "rasvsr/imresize.npz": r"(random|structured|odd)/x(0\.25|4|0\.5|2|1over3|0\.8)",
    "rasvsr/metrics.npz": r"ycbcr/to_y_channel",
    "rasvsr/modules.npz": r"warp_zeros|warp_border|spynet_.*|dcn_out_.*",
    "srgan/seed_discriminator.npz": r".*",
    "srgan/seed_fusion_warmup.npz": r".*",
    "srgan/seed_generator.npz": r"y_.*|conv_block1_a|residual_blocks_a|trunk_a|trainmode_rm_first",
    "srgan/seed_metrics_norms.npz": r"hist|moment",
    "srgan/tile_blending.npz": r"weight_.*|stitched_.*",
}
TABLES = r".*state_dict\.csv|init_stats\.csv|.*\.json|.*_split\.txt"


def full(name: str) -> Path:
    path = load.full(name)
    return path or sys.exit(f"{name} is absent: set SATSR_GOLDEN to the folder of the full golden files")


def clips() -> dict[str, np.ndarray]:
    """The first frame of each drawn clip, and what the reference made of it."""
    from satsr.convert.layouts.basicsr_lmdb import PngLmdb

    names = {"gt": "GT", "lr": "LR4xBicubic"}
    stores = {key: PngLmdb(full(f"rasvsr/demo_svsr/{name}.lmdb")) for key, name in names.items()}
    return {key: np.stack([store.read(f"{clip:03d}/00000000") for clip in (0, 1)]) for key, store in stores.items()}


def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of a full file, with the parts of it that are golden cases of their own."""
    if name == "rasvsr/demo_svsr.npz":
        return clips()
    with np.load(full(name)) as file:
        content = {key: file[key] for key in file.files}
    for key in ("ltae_in", "ltae_out", "ltae_att"):  # the attention works on each pixel alone
        if key in content:
            content[f"{key}_pixels"] = content[key][..., ::5, ::5]
    return content


def stored(name: str) -> dict[str, np.ndarray]:
    """What is kept of a file."""
    content, rule = arrays(name), load.rule(name)
    for key, value in rule.items():
        assert value.dtype == content[key].dtype and np.array_equal(value, content[key]), f"{name}: {key}"
    kept = {}
    for key, value in content.items():
        wanted = re.fullmatch(COMPACT.get(name, "-"), key)
        if key in rule:
            continue
        if re.fullmatch(WHOLE.get(name, "-"), key) or (wanted and value.size <= compact.WHOLE):
            kept[key] = value
        elif wanted:
            kept[f"{key}|{'x'.join(map(str, value.shape))}"] = compact.pack(value)
    return kept


def write(root: Path) -> None:
    """Writes every compact file below ``root``."""
    for name in sorted({*WHOLE, *COMPACT}):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(root / name, **stored(name))
    for paper in sorted({name.split("/")[0] for name in COMPACT}):
        names = sorted(path.name for path in full(paper).iterdir() if re.fullmatch(TABLES, path.name))
        content = {name: load.parse(full(f"{paper}/{name}")) for name in names}
        text = json.dumps(content, separators=(",", ":"))
        (root / paper / load.TABLES).write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    write(load.HERE)
