"""What holding results to their input does to them: ``python benchmarks/constraint.py``.

Reads ``results/*/metrics.json``, in which an evaluation has the weights that are exported with and without the
constraint, on the test scenes.
"""

from typing import Any

from satsr.config.resolve import read_yaml
from satsr.files import read_json
from satsr.pages.page import metric
from satsr.project import Places, root
from satsr.scores import BASELINE, EXPORTED

HEAD = ("paper", "method", "PSNR", "SSIM", "consistency")
WAYS = {"_constrained": "held", "_unconstrained": "free"}


def rows(paper: str, metrics: Any) -> list[list[str]]:
    """Bicubic, and the network held to its input and free, as far as the evaluation measured both.

    Args:
        paper: its name.
        metrics: what its evaluation measured, ``results/<paper>/metrics.json``.
    """
    psnr, ssim = metrics["decides"]
    other = next((name for name in WAYS if f"{EXPORTED}{name}" in metrics["methods"]), None)
    methods = {"bicubic": BASELINE}
    if other is None:
        methods["free; no constraint is defined for it"] = EXPORTED
    else:
        own = "free" if WAYS[other] == "held" else "held"
        methods |= {f"{own}, as exported": EXPORTED, WAYS[other]: f"{EXPORTED}{other}"}
    return [
        [paper, words, *(metric(key).text(metrics["methods"][name][key], brief=True) for key in (psnr, ssim)),
         f"{metrics['methods'][name]['consistency_rmse']:.2f}"]
        for words, name in methods.items()
    ]  # fmt: skip


def main() -> None:
    """Prints the table as Markdown."""
    for row in (
        HEAD,
        ["---"] * len(HEAD),
        *(
            row
            for paper in read_yaml(root() / "params.yaml")["papers"]
            for row in rows(paper, read_json(Places(root(), paper).metrics))
        ),
    ):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
