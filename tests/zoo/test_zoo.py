"""The models that are installed with satsr: files and table agree, and each of them works and is worth it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import satsr
from satsr import zoo
from satsr.errors import SatsrError
from satsr.exported.facts import KINDS
from satsr.files import sha256

each = pytest.mark.parametrize("entry", zoo.entries(), ids=lambda entry: entry.name)


def smooth(*shape: int, top: int, kind: type = np.uint16) -> np.ndarray:
    """Waves between a fifth and two fifths of ``top``, the image's sides being the second and third axis."""
    y, x = np.mgrid[: shape[1], : shape[2]]
    waves = (np.sin(y / 3) + np.cos(x / 4) + 2) / 4
    image = top * (0.2 + 0.2 * waves)
    return np.broadcast_to(image.reshape(1, *image.shape, *[1] * (len(shape) - 3)), shape).astype(kind)


INPUTS = {
    "video": smooth(3, 20, 24, 3, top=255, kind=np.uint8),
    "window": smooth(3, 20, 24, 3, top=255, kind=np.uint8),
    "image": smooth(1, 20, 24, 3, top=10000),
    "series": smooth(3, 20, 24, 3, top=10000),
    "imageset": smooth(9, 20, 24, top=16383),
}


def test_files_and_table_agree_and_are_small() -> None:
    found = zoo.entries()
    assert {entry.file for entry in found} | {zoo.TABLE} == {path.name for path in zoo.MODELS.iterdir()}
    assert len({entry.name for entry in found}) == len(found) > 0
    for entry in found:
        assert sha256(zoo.MODELS / entry.file) == entry.sha256
        assert (zoo.MODELS / entry.file).stat().st_size == entry.size
    assert sum(path.stat().st_size for path in zoo.MODELS.iterdir()) <= zoo.LARGEST


@each
def test_an_admitted_model_beats_its_baseline_wherever_it_was_measured(entry: zoo.Entry) -> None:
    assert entry.on(zoo.DRAWN)
    for measured in (entry.test, *entry.unseen):
        assert 0 < measured.gain.low <= measured.gain.mean <= measured.gain.high
        assert measured.gain.count > 1 and "psnr" in measured.gain.metric


@each
def test_the_table_says_what_a_model_was_made_of(entry: zoo.Entry) -> None:
    made = entry.made
    assert made["profile"] in entry.name and made["train"]["seed"] == made["seed"]
    assert len(made["commit"]) == 40 and len(made["data"]["store_sha256"]) == len(made["lineage"]) == 64
    assert made["data"]["licence"].startswith(entry.licence)


@each
def test_a_model_enlarges_an_input_of_its_kind(entry: zoo.Entry) -> None:
    model = satsr.load(f"{zoo.PREFIX}{entry.name}", device="cpu")
    assert (model.kind, model.facts.paper, model.digest) == (entry.kind, entry.paper, entry.sha256)
    assert entry.takes == KINDS[model.kind].words and model.scale == entry.made["scale"]
    given = INPUTS[model.kind]
    made = model(given)
    fine = (20 * model.scale, 24 * model.scale, *given.shape[3:])
    assert made.shape == (fine if KINDS[model.kind].merged else (len(given), *fine)) and made.dtype == given.dtype
    assert made.mean() == pytest.approx(given.mean(), rel=0.05) and made.std() == pytest.approx(given.std(), rel=0.2)


def test_a_paper_s_name_means_its_model_and_other_names_are_told() -> None:
    first = zoo.entries()[0]
    assert zoo.find(first.paper) is zoo.find(first.name) is first
    with pytest.raises(SatsrError, match=f"no model 'nothing': it has zoo:{first.name}"):
        satsr.load("zoo:nothing")
    with pytest.raises(SatsrError, match="ONNX files alone"):
        satsr.load(f"zoo:{first.paper}", backend="torch")


def test_a_file_that_is_not_the_tables_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = min(zoo.entries(), key=lambda entry: entry.size)
    shutil.copytree(zoo.MODELS, tmp_path / "models")
    monkeypatch.setattr(zoo, "MODELS", tmp_path / "models")
    assert entry.path == tmp_path / "models" / entry.file
    content = bytearray(entry.path.read_bytes())
    content[-1] ^= 1
    (tmp_path / "models" / entry.file).write_bytes(content)
    with pytest.raises(SatsrError, match="not the one that the table"):
        satsr.load(f"zoo:{entry.name}")
    (tmp_path / "models" / entry.file).unlink()
    with pytest.raises(SatsrError, match="is missing"):
        satsr.load(f"zoo:{entry.name}")


def test_a_mistyped_name_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(SatsrError, match=r"no model 'rasvrs-quick' \(did you mean rasvsr-quick\?\): it has zoo:"):
        zoo.find("rasvrs-quick")
    with pytest.raises(SatsrError, match=r"no model 'qnet' \(did you mean qanet\?\)"):
        zoo.find("qnet")
