"""MSDTGP: satellite video super-resolution by multiscale deformable alignment and temporal grouping projection."""

from models.msdtgp.network import MSDTGP

__all__ = ["MSDTGP"]
