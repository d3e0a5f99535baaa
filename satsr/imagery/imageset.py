"""The folder of one of Proba-V's image sets: views ``LR000.png`` with their quality maps ``QM000.png``."""

import re
from collections.abc import Iterable

VIEW = re.compile(r"LR(\d+)\.png")
MAP = re.compile(r"QM(\d+)\.png")


def paired(names: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Which views and quality maps belong together.

    Args:
        names: of the folder's files.

    Returns:
        Sorted numbers of the views, those among them that have no map, and those of maps that have no view.
    """
    files = list(names)
    views, maps = ({found[1] for name in files if (found := kind.fullmatch(name))} for kind in (VIEW, MAP))
    return sorted(views), sorted(views - maps), sorted(maps - views)
