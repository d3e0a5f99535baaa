"""Nothing is deleted or replaced but what satsr wrote."""

import numpy as np
import pytest
import rasterio

from satsr.errors import SatsrError
from satsr.files import read_json, write_json
from satsr.imagery.images import encode_png, read_image, write_png
from satsr.upscale.results import own

TAGS = {"SATSR_MODEL": "tiny/1", "SATSR_INPUT": "Zürich.png"}
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def raster(path, **tags):
    with rasterio.open(path, "w", driver="GTiff", count=1, height=4, width=4, dtype="uint8") as target:
        target.write(IMAGE[:4, :4, :1].transpose(2, 0, 1))
        target.update_tags(**tags)
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_tagged_png_has_the_same_pixels_and_is_known(tmp_path):
    (tmp_path / "a.png").write_bytes(own.tagged(encode_png(IMAGE), TAGS))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), IMAGE)
    assert own.foreign(tmp_path / "a.png") == []
    with rasterio.open(tmp_path / "a.png") as found:
        assert found.tags()["SATSR_INPUT"] == "Zürich.png"


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.mp4", "a.html", "a.csv"])
def test_files_of_others_are_never_replaced(tmp_path, name):
    path = tmp_path / name
    raster(path) if name == "a.tif" else path.write_bytes(encode_png(IMAGE))
    for overwrite in (False, True):
        with pytest.raises(SatsrError, match="satsr did not write it") as refused:
            own.require_free(path, overwrite)
        assert "--overwrite" not in str(refused.value)
    path.write_bytes(b"")
    with pytest.raises(SatsrError, match="satsr did not write it"):
        own.require_free(path, True)


def test_what_satsr_wrote_is_replaced_when_that_is_asked(tmp_path):
    (tmp_path / "a.csv").write_text("frame,distance,way\n0,1.0,noise\n")
    (tmp_path / "a.png").write_bytes(own.tagged(encode_png(IMAGE), TAGS))
    raster(tmp_path / "a.tif", **TAGS)
    for file in tmp_path.iterdir():
        own.require_free(file, True)
        with pytest.raises(SatsrError, match="add --overwrite"):
            own.require_free(file, False)


def test_a_folder_is_free_if_it_is_empty_or_all_of_it_is_listed(tmp_path):
    folder = tmp_path / "out"
    own.require_free(folder, False, folder=True)
    folder.mkdir()
    own.require_free(folder, False, folder=True)
    write_png(folder / "0.png", IMAGE)
    with pytest.raises(SatsrError, match=r"did not write \(0.png\)"):
        own.require_free(folder, True, folder=True)
    own.write_manifest(folder, TAGS)
    assert read_json(folder / own.MADE) == {**TAGS, "files": ["0.png"]} and own.read_manifest(folder) == TAGS
    own.require_free(folder, True, folder=True)
    with pytest.raises(SatsrError, match="add --overwrite"):
        own.require_free(folder, False, folder=True)
    (folder / ".DS_Store").touch()
    own.require_free(folder, True, folder=True)
    for stranger in (folder / "mine.txt", folder / "sub" / "0.png"):
        stranger.parent.mkdir(exist_ok=True)
        stranger.touch()
        with pytest.raises(SatsrError, match="did not write"):
            own.require_free(folder, True, folder=True)
        stranger.unlink()


def test_a_manifest_without_a_list_vouches_for_nothing(tmp_path):
    write_png(tmp_path / "0.png", IMAGE)
    for manifest in (TAGS, ["0.png"], {"files": None}):
        write_json(tmp_path / own.MADE, manifest)
        with pytest.raises(SatsrError, match="did not write"):
            own.require_free(tmp_path, True, folder=True)


def test_files_folders_and_links_do_not_take_each_others_places(tmp_path):
    file, folder, link = raster(tmp_path / "a.tif", **TAGS), tmp_path / "b", tmp_path / "c"
    folder.mkdir()
    link.symlink_to(folder)
    for path, is_folder, words in ((file, True, "is a file"), (folder, False, "is a folder"), (link, True, "a link")):
        with pytest.raises(SatsrError, match=words):
            own.require_free(path, True, folder=is_folder)


def test_a_result_lies_apart_from_its_input(tmp_path):
    source = tmp_path / "in" / "frames"
    source.mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    for output, words in (
        (source, "the input itself"),
        (tmp_path / "link", "the input itself"),
        (source / ".." / "frames", "the input itself"),
        (source / "sharp", "lies in the input"),
        (tmp_path / "in", "that the input .* lies in"),
        (tmp_path, "that the input .* lies in"),
    ):
        with pytest.raises(SatsrError, match=words):
            own.require_apart([source], output)
    own.require_apart([source], tmp_path / "in" / "frames2")
    hard = tmp_path / "hard.png"
    write_png(tmp_path / "low.png", IMAGE)
    hard.hardlink_to(tmp_path / "low.png")
    with pytest.raises(SatsrError, match="the input itself"):
        own.require_apart([tmp_path / "low.png"], hard)
