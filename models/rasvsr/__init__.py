"""RASVSR, recurrent satellite video super-resolution (Wang, Li, Zhao, IEEE JSTARS 2024, vol. 17, pp. 685-695)."""

from models.rasvsr.flow import SPyNet, load_flow, start_flow_at_zero, without_still_flow
from models.rasvsr.initial import start_at_enlarged
from models.rasvsr.network import RASVSR

__all__ = ["RASVSR", "SPyNet", "load_flow", "start_at_enlarged", "start_flow_at_zero", "without_still_flow"]
