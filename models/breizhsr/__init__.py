"""BreizhSR: Sentinel-2 to SPOT-6 super-resolution (x4) from one image or from a dated series of images.

Okabayashi, Audebert, Donike, Pelletier, "Cross-sensor super-resolution of irregularly sampled Sentinel-2 time series",
EarthVision at CVPR 2024, arXiv 2404.16409. Images are in -1..1 wherever they enter or leave a network.
"""

from models.breizhsr.dense import RRDB as rrdb
from models.breizhsr.diffusion import SRDiff as srdiff
from models.breizhsr.series import RRDBLTAE as rrdb_ltae
from models.breizhsr.series import HighResNet as highresnet
from models.breizhsr.series import HighResNetLTAE as highresnet_ltae
from models.breizhsr.series import RRDBHighResNet as rrdb_highresnet

__all__ = [
    "highresnet",
    "highresnet_ltae",
    "rrdb",
    "rrdb_highresnet",
    "rrdb_ltae",
    "srdiff",
]
