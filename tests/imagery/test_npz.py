"""Archives of arrays that claim more than they hold, or more than fits, are refused before memory is taken."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.imagery.npz import read_arrays


def header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": "<u2"})
    return stream.getvalue()


def packed(path: Path, content: list[bytes]) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("im10.npy", "w", force_zip64=True) as member,
    ):
        for part in content:
            member.write(part)
    return path


def test_known_arrays_are_read_alone(tmp_path: Path) -> None:
    arrays = {"im10": np.arange(6).reshape(2, 3), "other": np.ones(2)}
    np.savez(tmp_path / "a.npz", **arrays)
    assert list(read_arrays(tmp_path / "a.npz", ("im10",))) == ["im10"]
    found = read_arrays(tmp_path / "a.npz", ("none",))
    assert list(found) == ["im10", "other"]
    np.testing.assert_array_equal(found["im10"], arrays["im10"])


def test_a_header_that_claims_more_than_is_packed_is_a_sentence(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", [header((4, 30000, 40000)), bytes(1000)])
    with pytest.raises(SatsrError, match=r"im10 of uint16 .* needs 9600000000 bytes, but 1000 are packed"):
        read_arrays(path)


def test_an_archive_that_unpacks_to_gigabytes_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("satsr.imagery.npz.MAX_BYTES", 1 << 20)
    path = packed(tmp_path / "a.npz", [header((1024, 1024)), bytes(2 << 20)])
    assert path.stat().st_size < 10_000
    with pytest.raises(
        SatsrError, match=r"a.npz says it holds 0.0 GB of arrays, more than the limit .*: it was not opened"
    ):
        read_arrays(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all"])
def test_what_is_no_archive_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(SatsrError, match="cannot be read as a NumPy archive"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_that_was_cut_off_or_has_a_wrong_bit_is_a_sentence(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    save(path, im10=rng.integers(0, 3000, (40, 50)).astype(np.uint16))
    whole = path.read_bytes()
    damaged = [whole[: len(whole) * share // 10] for share in range(1, 10)]
    for place in rng.integers(200, len(whole), 30):
        damaged.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(SatsrError, match=r"a\.npz (cannot be read as a NumPy archive|is damaged)"):
            read_arrays(path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", im10=np.array([{}], object))
    with pytest.raises(SatsrError, match="allow_pickle=False"):
        read_arrays(tmp_path / "a.npz")
