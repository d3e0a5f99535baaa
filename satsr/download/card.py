"""Dataset cards: where data come from, how their files are laid out, what they may be used for."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from satsr.config.resolve import read_yaml
from satsr.errors import SatsrError, hidden, problems
from satsr.store.raw import CARD

CHECKSUM = r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Embedded(_Part):
    """Scenes that this project draws itself, without a download.

    Attributes:
        kind: what is drawn, a key of :data:`satsr.download.download.SCENES`.
        train: number of training scenes.
        val: number of validation scenes.
        test: number of test scenes, which show other country: other draws, layouts, colours and seasons.
        frames: frames (or dates, or views) per scene.
        size: height and width of the high-resolution frames, in pixels.
        test_frames: of the test scenes; as ``frames`` by default.
        test_size: of the test scenes; as ``size`` by default.
        seed: the same seed gives the same bytes.
    """

    kind: str
    train: int = Field(ge=0)
    val: int = Field(ge=0)
    test: int = Field(default=0, ge=0)
    frames: int = Field(ge=1)
    size: tuple[int, int]
    test_frames: int | None = Field(default=None, ge=1)
    test_size: tuple[int, int] | None = None
    seed: int = Field(default=0, ge=0)

    def scenes(self) -> list[tuple[str, int]]:
        """The split of every scene and its number; those of test count by themselves, as they are drawn apart."""
        drawn = [("train" if number < self.train else "val", number) for number in range(self.train + self.val)]
        return drawn + [("test", number) for number in range(self.test)]

    def shape(self, split: str) -> tuple[int, tuple[int, int]]:
        """Frames, and height and width, of the scenes of a split."""
        if split == "test":
            return self.test_frames or self.frames, self.test_size or self.size
        return self.frames, self.size


class Files(_Part):
    """Files that are there already and stay where they are.

    Attributes:
        path: a folder, a video file or a scene, absolute or relative to the project's root.
    """

    path: str


class RemoteFile(_Part):
    """One file to download.

    Attributes:
        name: its name on disk; archives (zip, tar, tar.gz...) are unpacked.
        urls: the address and its mirrors, tried in order.
        checksum: ``sha256:...`` or ``md5:...``.
        size: in bytes.
    """

    name: str = Field(pattern=r"^[^/\\\x00]*[^/\\\x00.][^/\\\x00]*$", max_length=200)
    urls: tuple[str, ...] = Field(min_length=1)
    checksum: str | None = Field(default=None, pattern=CHECKSUM)
    size: int | None = Field(default=None, ge=1)

    @field_validator("urls")
    @classmethod
    def _only_http(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not url.startswith(("https://", "http://")):
                raise ValueError(f"an address begins with https:// or http://, found {url!r}")
            if "@" in url.split("/")[2]:
                raise ValueError("an address holds no name and no password: data behind a log-in are source.manual")
        return urls


class Zenodo(_Part):
    """A Zenodo record; names, sizes and checksums of its files are asked from Zenodo when it is downloaded.

    Attributes:
        record: its number.
        files: names (with ``*`` and ``?``) of the files to take.
    """

    record: int
    files: tuple[str, ...] = ("*",)


class Manual(_Part):
    """Data that a person must fetch (a login, a licence to accept).

    Attributes:
        where: the folder to put them into, relative to the project's root.
        how: what to do, in a sentence.
        size: what to expect, for instance "41 GB in 43,100 files".
        expected: what the folder must then contain, in words.
    """

    where: str
    how: str
    size: str
    expected: str


class Source(_Part):
    """Where the data come from: exactly one of the five."""

    embedded: Embedded | None = None
    files: Files | None = None
    urls: tuple[RemoteFile, ...] | None = None
    zenodo: Zenodo | None = None
    manual: Manual | None = None

    @model_validator(mode="after")
    def _one(self) -> "Source":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a source is exactly one of embedded, files, urls, zenodo, manual, found {given or 'none'}"
            )
        return self


class Limits(_Part):
    """What an archive may hold, checked before a byte of it is written.

    Attributes:
        max_files: number of files.
        max_bytes: unpacked bytes.
        max_ratio: unpacked bytes over packed bytes.
    """

    max_files: int = Field(default=1_000_000, ge=1)
    max_bytes: int = Field(default=500_000_000_000, ge=1)
    max_ratio: float = Field(default=200.0, gt=0)


class Card(_Part):
    """A dataset.

    Attributes:
        name: short, as in the file's name.
        title: in words.
        papers: which papers of this project use it.
        licence: of the data, and where that is stated.
        homepage: its address.
        citation: the publication.
        notes: what a user should know.
        source: where the data come from.
        layout: the reader, a key of :data:`satsr.convert.layouts.LAYOUTS`; "auto" looks at the files.
        scale: high-resolution side over low-resolution side.
        lr_pixel_m: side of a low-resolution pixel on the ground in metres at this scale, if it is one for all scenes.
        options: of the reader, for layouts whose reader has some (the surrogate pairs of ``sentinel2``, for instance).
        limits: for its archives.
    """

    name: str = Field(min_length=1)
    title: str = ""
    papers: tuple[str, ...] = ()
    licence: str = "not stated"
    homepage: str = ""
    citation: str = ""
    notes: str = ""
    source: Source
    layout: str = "auto"
    scale: int = Field(default=4, ge=2, le=8)
    lr_pixel_m: float | None = Field(default=None, gt=0)
    options: dict[str, bool | int | float | str] | None = None
    limits: Limits = Limits()

    def plain(self) -> dict[str, Any]:
        """JSON values without what is not set, secrets in addresses, and the place where a user's own files lie."""
        content = self.model_dump(mode="json", exclude_none=True)
        if self.source.files is not None:
            content["source"]["files"]["path"] = Path(self.source.files.path).name
        return dict(_hidden(content))

    @property
    def sha256(self) -> str:
        """A digest of everything the card says."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()


def _hidden(value: Any) -> Any:
    """JSON values whose texts hold no secrets; the text of the JSON itself would lose quotes with them."""
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return hidden(value) if isinstance(value, str) else value


def _exists(path: Path) -> bool:
    """Whether it does; a name that no file system takes names nothing."""
    try:
        return path.exists()
    except OSError:
        return False


def load_card(reference: str | Path, base: Path | None = None) -> Card:
    """The card in a YAML file, or an implicit one for the user's own: a folder, a video file, a Sentinel-2 product.

    A ``card.yaml`` in the folder describes the files beside it, and so has no source. DVC hashes such a folder whole,
    but of files that a card elsewhere names the card alone.

    Args:
        reference: the path of the YAML file, the folder, the video, or the product, whose zip is not unpacked.
        base: what relative paths count from (the project's root); the working directory by default.

    Raises:
        SatsrError: the path does not exist, or the card has an unknown key or a wrong value.
    """
    path = (base or Path()) / Path(reference).expanduser()
    if not _exists(path):
        raise SatsrError(
            f"the data {str(reference)!r} do not exist: name a card (data/catalog/<name>.yaml), a folder of frames, "
            "or a video file."
        )
    content: Any = {}
    if path.suffix.lower() not in (".yaml", ".yml"):
        name = (path.name if path.is_dir() else path.stem) or path.resolve().name
        beside = Source(files=Files(path=Path(reference).expanduser().as_posix()))
        if not _exists(path / CARD):
            return Card(name=name, title="the user's own files", source=beside)
        path /= CARD
        content = {"name": name, "source": beside}
    said = read_yaml(path)
    if not isinstance(said, dict):
        raise SatsrError(f"{path} is not a dataset card: it holds {type(said).__name__}, not keys and values.")
    if content and "source" in said:
        raise SatsrError(f"{path} describes the files beside it: take its source out, or move the card elsewhere.")
    try:
        return Card.model_validate({**content, **said})
    except ValidationError as error:
        raise SatsrError(f"{path} is not a valid dataset card: {'; '.join(problems(error, model=Card))}.") from None
