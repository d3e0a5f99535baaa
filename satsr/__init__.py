"""satsr: published methods of satellite super-resolution as reproducible pipelines."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satsr.exported.model import load

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``load``, imported when it is asked for: the commands that need no network start without it."""
    if name == "load":
        from satsr.exported.model import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
