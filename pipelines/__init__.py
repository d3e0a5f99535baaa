"""The papers as pipelines: ``pipelines.train_rasvsr`` is the one of ``pipelines/rasvsr.py``.

A module here holds one paper's recipe. The pipelines themselves are all the same chain of seven stages
(:mod:`pipelines.chain`) and are made when they are asked for, so that reading a recipe does not import ZenML.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("train_"):
        from pipelines.chain import train

        return train(name.removeprefix("train_"))
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
