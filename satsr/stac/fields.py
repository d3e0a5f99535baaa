"""The values of a STAC Item, checked one by one: a wrong one is a sentence that names its key."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from satsr.errors import SatsrError

MAX_ASSETS = 1000
LARGEST = 1e300
MULTIHASH = {"1114": ("sha1", 20), "1220": ("sha256", 32), "1340": ("sha512", 64), "d50110": ("md5", 16)}
"""Beginnings of ``file:checksum`` (https://multiformats.io/multihash): the hash and its length in bytes."""


def mapping(found: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """An object of an item."""
    value = found.get(key)
    if not isinstance(value, dict):
        raise SatsrError(f"{key} in {where} must be an object, found {short(value)}: it is no valid STAC Item.")
    return value


def rows(asset: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """A list of objects of an asset; empty where there is none."""
    found = asset.get(key) or []
    if not isinstance(found, list) or len(found) > MAX_ASSETS or not all(isinstance(row, dict) for row in found):
        raise SatsrError(f"{key} in {where} must be a list of objects, found {short(found)}: it is no valid STAC Item.")
    return found


def text(found: Mapping[str, Any], key: str, where: str) -> str:
    """A text of an item."""
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise SatsrError(f"{key} in {where} must be a text, found {short(value)}: it is no valid STAC Item.")
    return value


def href(asset: Mapping[str, Any], where: str) -> str:
    """Where an asset lies, which can be taken apart as an address or a path can."""
    value = text(asset, "href", where)
    try:
        urlsplit(value)
    except ValueError as error:
        raise SatsrError(f"href in {where} is {short(value)}, which is no address ({error}).") from None
    if "\0" in value:
        raise SatsrError(f"href in {where} is {short(value)}, which is no address.")
    return value


def number(
    row: Mapping[str, Any], asset: Mapping[str, Any], key: str, where: str, wanted: Sequence[str] = ()
) -> float | None:
    """A finite number of a band, else of its asset."""
    for said in (row, asset):
        for field in (key, *wanted):
            value = said.get(field)
            if value is None or (isinstance(value, str) and wanted):  # "nan", which floats that are missing are anyway
                continue
            if not finite(value):
                raise SatsrError(f"{field} in {where} must be a number, found {short(value)}.")
            return float(value)
    return None


def finite(value: Any) -> bool:
    """Whether a value is a number that a float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def checksum(found: Any, where: str) -> str | None:
    """A file's hash as :mod:`satsr.files` writes it, ``sha256:...``."""
    if found is None:
        return None
    for begin, (kind, length) in MULTIHASH.items():
        digest = str(found)[len(begin) :].lower()
        if str(found).startswith(begin) and re.fullmatch(f"[0-9a-f]{{{2 * length}}}", digest):
            return f"{kind}:{digest}"
    raise SatsrError(
        f"file:checksum in {where} is {short(found)}, which is no multihash of MD5, SHA-1, SHA-256 or SHA-512: take "
        "it out of the item if you trust the file."
    )


def size(found: Any, where: str) -> int | None:
    """How many bytes a file has."""
    if found is None:
        return None
    if type(found) is not int or found < 1:
        raise SatsrError(f"file:size in {where} must be a whole number of bytes, found {short(found)}.")
    return found


def short(value: Any) -> str:
    """A value as a sentence shows it."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
