"""satsr: published methods of satellite super-resolution as reproducible pipelines."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satsr.exported.model import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """``load`` and the version, made when they are asked for: the commands that need no network start without it."""
    if name == "load":
        from satsr.exported.model import load

        return load
    if name == "__version__":
        from importlib.metadata import version

        return version("satsr")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
