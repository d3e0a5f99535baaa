"""The few figures of a run that DVC's tables show: ``headline.json`` beside ``metrics.json``, which has all of them.

``python -m satsr.evaluate.headline`` writes it anew for every ``metrics.json`` of the checkout.
"""

from collections.abc import Mapping
from typing import Any

from satsr.files import read_json, write_json
from satsr.project import Places, root
from satsr.scores import BASELINE


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``metrics.json`` decides: the gain with its lower end, and from what to what it leads.

    Args:
        metrics: the content of ``metrics.json``: ``decides``, ``exported``, ``methods`` and ``gains``.

    Returns:
        ``metric`` (the first of ``decides``), its value by the ``baseline`` and by ``ours``, its ``gain`` and
        ``gain_low``, the lower end of its 95 % interval, in the metric's unit; ``ssim_gain``, the gain in the second
        one. What has no finite value is left out.
    """
    name, *others = metrics["decides"]
    methods, gains = metrics["methods"], metrics["gains"]
    found = {
        "metric": name,
        "baseline": methods[BASELINE].get(name),
        "ours": methods[metrics["exported"]].get(name),
        "gain": gains.get(name, {}).get("mean"),
        "gain_low": gains.get(name, {}).get("low"),
        **{f"{_family(other)}_gain": gains.get(other, {}).get("mean") for other in others},
    }
    return {key: value for key, value in found.items() if value is not None}


def write(places: Places) -> None:
    """Writes ``headline.json`` of what ``metrics.json`` says.

    Raises:
        SatsrError: ``metrics.json`` is damaged.
    """
    write_json(places.headline, headline(read_json(places.metrics)))


def main() -> None:
    """Writes those of all papers that were evaluated."""
    where = root()
    for path in sorted(where.glob("results/*/metrics.json")):
        write(Places(where, path.parent.name))


def _family(name: str) -> str:
    """``ssim`` of ``cssim`` and ``ssim_rgb_u8``, so that papers share columns."""
    return "ssim" if name.startswith(("ssim", "cssim")) else name


if __name__ == "__main__":
    main()
