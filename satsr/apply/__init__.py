"""Applying what was trained: arrays, scenes, videos and multi-image sets of any size."""

from satsr.apply.model import Model, load

__all__ = ["Model", "load"]
