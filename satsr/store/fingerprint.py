"""What a measurement was made on, as hashes: two stores of different papers may hold the same references.

A store's own SHA-256 also covers training frames and low-resolution ones, which papers convert in their own ways.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from satsr.store.store import Store

REFERENCES = ("hr", "sm")
"""Roles that outputs are measured against: fine images and the masks of their clear pixels."""


def fingerprint(store: Store, split: str = "test") -> dict[str, Any]:
    """All that identifies what a measurement on ``split`` was made on, as JSON: its card and its hashes."""
    return {
        "card": store.manifest["card"],
        "store_sha256": store.manifest["data"]["sha256"],
        "references_sha256": references_sha256(store, split),
        "inputs_sha256": inputs_sha256(store, split),
        "degradation": degradation(store, split),
    }


def references_sha256(store: Store, split: str = "test") -> str:
    """Hash of the frames that ``split`` measures against: equal for equal scenes with equal frames.

    It is made of the names of the scenes and the shapes, types and CRC-32 of the frames, as the manifest holds them.
    """
    return _digest(store, split, lambda role: role in REFERENCES)


def inputs_sha256(store: Store, split: str = "test") -> str:
    """Hash of everything else in ``split``: low-resolution frames, quality maps."""
    return _digest(store, split, lambda role: role not in REFERENCES)


def degradation(store: Store, split: str = "test") -> str:
    """How the low-resolution frames of ``split`` came about, in words."""
    made = {str(scene.meta.get("lr", "given")) for scene in store.scenes(split)}
    return f"x{store.manifest['settings'].get('scale', '?')}, {' and '.join(sorted(made))}"


def _digest(store: Store, split: str, wanted: Callable[[str], bool]) -> str:
    rows = [
        [scene.id, role, index, list(scene.shape(role, index)), str(scene.dtype(role)), scene.crc32(role, index)]
        for scene in store.scenes(split)
        for role in scene.roles
        if wanted(role)
        for index in range(scene.count(role))
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
