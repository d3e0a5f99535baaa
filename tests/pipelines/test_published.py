"""The published tables: single clips, sizes and times beside the means."""

from pathlib import Path

import numpy as np

from satsr.evaluate.claim import load_claim

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_rows_carry_sizes_and_times_where_they_are_known() -> None:
    rows = {row["method"]: row for row in load_claim(ROOT, "rasvsr").shown()}
    assert rows["RASVSR"]["params_m"] == 5.4 and rows["RASVSR"]["runtime_ms"] == 126
    assert "runtime_ms" not in rows["bicubic"]


def test_the_published_clips_average_to_the_published_rows_and_stand_beside_ours() -> None:
    claim = load_claim(ROOT, "msdtgp")
    assert len(claim.clips) == 10
    for method, row in claim.rows.items():
        for name, value in row.items():
            mean = np.mean([clip[method][name] for clip in claim.clips.values()])
            assert abs(mean - value) < (0.0101 if name.startswith("psnr") else 0.00011), (method, name)  # last digits
    first, second, *_ = claim.clip_table({"eval/000": {"psnr_y_u8": 36.0}})
    assert (first["clip"], first["MSDTGP"], first["this run"]) == ("000", 36.21, 36.0)
    assert second["this run"] is None
