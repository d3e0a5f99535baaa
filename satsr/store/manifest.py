"""Whether the manifest of a store says what a store's manifest says: it may come from somebody else."""

from typing import Any

import numpy as np


def well_formed(manifest: Any) -> bool:
    """Whether all that is read of it is there and of its type.

    Args:
        manifest: decoded JSON.
    """
    try:
        data, card, scenes = manifest["data"], manifest["card"], manifest["scenes"]
        return (
            isinstance(card, dict)
            and type(data["bytes"]) is int
            and isinstance(data["sha256"], str)
            and isinstance(scenes, list)
            and all(map(_scene, scenes))
        )
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError):
        return False


def _scene(entry: Any) -> bool:
    words = all(isinstance(entry[name], str) for name in ("split", "id", "key"))
    return words and isinstance(entry["meta"], dict) and all(map(_role, entry["roles"].values()))


def _role(entry: Any) -> bool:
    count, shapes, checks = entry["count"], entry["shapes"], entry["crc32"]
    numbers = [side for shape in shapes for side in shape] + [count, *checks]
    return (
        isinstance(entry["dtype"], str)
        and np.dtype(entry["dtype"]).kind in "buif"
        and all(type(number) is int and number >= 0 for number in numbers)
        and len(checks) == count
        and len(shapes) in (1, count)
        and bool(count)
    )
