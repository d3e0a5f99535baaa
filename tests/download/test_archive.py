import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from satsr.download.archive import extract, is_archive
from satsr.download.card import Limits
from satsr.errors import SatsrError

Edit = Callable[[tarfile.TarInfo], None]


def tar(path: Path, entries: dict[str, bytes], edit: Edit | None = None, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if edit:
                edit(info)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(
    path: Path, entries: list[tuple[str, bytes]], mode: int = 0, compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, content)
    return path


def refused(archive: Path, says: str, limits: Limits | None = None) -> None:
    """The archive is refused and not a byte was written."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(SatsrError, match=says):
        extract(archive, archive.parent / "out", limits)
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.xz", "w:xz")]
)
def test_a_tar_is_unpacked(tmp_path: Path, name: str, mode: str) -> None:
    archive = tar(tmp_path / name, {"GT/000/1.png": b"one", "./readme": b""}, mode=mode)
    assert extract(archive, tmp_path / "out") == [tmp_path / "out/GT/000/1.png", tmp_path / "out/readme"]
    assert (tmp_path / "out/GT/000/1.png").read_bytes() == b"one"


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a b.zip", [("GT/", b""), ("GT/ü.png", b"x" * 100)])
    assert extract(archive, tmp_path / "out") == [tmp_path / "out/GT/ü.png"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil", "C:evil"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    refused(tar(tmp_path / "a.tar.gz", {"good": b"x", name: b"x"}), "leads out of the target folder")
    (tmp_path / "a.tar.gz").unlink()
    refused(zipped(tmp_path / "a.zip", [("good", b"x"), (name, b"x")]), "leads out of the target folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    def edit(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0

    refused(tar(tmp_path / "a.tar", {"x": b""}, edit, "w"), "'x' is a link, a device or another special file")


def test_set_user_id_files_are_refused(tmp_path: Path) -> None:
    refused(tar(tmp_path / "a.tar", {"x": b"1"}, lambda info: setattr(info, "mode", 0o4755), "w"), "set-user-id")
    (tmp_path / "a.tar").unlink()
    refused(zipped(tmp_path / "a.zip", [("x", b"1")], stat.S_IFREG | 0o4755), "set-user-id")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", [("x", b"/etc/passwd")], stat.S_IFLNK | 0o777), "special file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", [("x", b"1"), ("x", b"2")]), "'x' occurs twice")
    (tmp_path / "a.zip").unlink()
    refused(tar(tmp_path / "a.tar", {"x": b"1", "./x": b"2"}, mode="w"), r"'\./x' occurs twice")
    (tmp_path / "a.tar").unlink()
    refused(tar(tmp_path / "a.tar", {"x": b"1", "x/y": b"2"}, mode="w"), "'x' is both a file and a folder")


def test_a_bomb_is_refused_by_each_limit(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "a.zip", [("x", bytes(5_000_000))])
    refused(bomb, "more than 200 times its own size")
    refused(bomb, "more than 1e[+]06 bytes", Limits(max_bytes=1_000_000))
    bomb.unlink()
    refused(tar(tmp_path / "a.tar.gz", {"x": bytes(5_000_000)}), "more than 200 times its own size")
    (tmp_path / "a.tar.gz").unlink()
    many = zipped(tmp_path / "a.zip", [(str(index), b"") for index in range(50)], compression=zipfile.ZIP_STORED)
    refused(many, "more than 20 entries", Limits(max_files=20))


def test_a_size_that_is_a_lie_is_found(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", [("x", b"0123456789")], compression=zipfile.ZIP_STORED)
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"0123456789", b"0123456780"))
    refused(archive, "damaged .*CRC")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.zip"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_a_cut_off_archive_is_a_sentence(tmp_path: Path, name: str, share: float) -> None:
    archive = tmp_path / name
    content = bytes(range(256)) * 100
    if name.endswith(".zip"):
        zipped(archive, [("x", content), ("y", content)], compression=zipfile.ZIP_STORED)
    else:
        tar(archive, {"x": content, "y": content}, mode=f"w:{name.removeprefix('a.tar').removeprefix('.')}")
    data = archive.read_bytes()
    # A tar is cut between two of its entries, where nothing but the missing end shows it.
    archive.write_bytes(data[: int(len(data) * share) // 512 * 512 if name == "a.tar" else int(len(data) * share)])
    refused(archive, "is damaged|is empty")


def test_kinds_that_cannot_be_unpacked_say_what_to_do() -> None:
    assert is_archive("A.ZIP")
    assert not is_archive("a.png")
    for name in ("a.7z", "a.rar"):
        with pytest.raises(SatsrError, match="unpack it yourself and name the folder as data"):
            is_archive(name)
