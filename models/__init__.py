"""The networks of the five papers, by name.

``build("rasvsr")`` gives the network of the paper with the paper's own settings; its parameter and buffer names equal
the authors', so that published checkpoints load strictly with :func:`load_weights`. This package imports torch and
itself, nothing else of the project.
"""

from collections.abc import Callable
from importlib import import_module

from torch import nn

from models.shared.weights import load_weights

__all__ = ["build", "load_weights", "names"]

# name -> "module:function or class"; imported when it is built
NETWORKS = {
    "rasvsr": "models.rasvsr:RASVSR",
    "msdtgp": "models.msdtgp:MSDTGP",
    "rrdb": "models.breizhsr:rrdb",
    "highresnet": "models.breizhsr:highresnet",
    "rrdb_highresnet": "models.breizhsr:rrdb_highresnet",
    "highresnet_ltae": "models.breizhsr:highresnet_ltae",
    "rrdb_ltae": "models.breizhsr:rrdb_ltae",
    "srdiff": "models.breizhsr:srdiff",
    "srresnet": "models.srgan:SRResNet",
    "srgan_discriminator": "models.srgan:Discriminator",
    "recursive_fusion": "models.srgan:RecursiveFusion",
    "srgan": "models.srgan:SuperResolver",
    "srgan_standard": "models.srgan:standard",
    "srgan_res": "models.srgan:res",
    "srgan_rcab": "models.srgan:rcab",
    "srgan_rrdb": "models.srgan:rrdb",
    "srgan_lka": "models.srgan:lka",
    "srgan_stochastic": "models.srgan:stochastic",
    "srgan_esrgan": "models.srgan:ESRGANGenerator",
    "srgan_patchgan": "models.srgan:PatchDiscriminator",
    "srgan_esrgan_discriminator": "models.srgan:ESRGANDiscriminator",
    "qanet": "models.qanet:QANet",
}


def names() -> list[str]:
    """The names that :func:`build` knows."""
    return sorted(NETWORKS)


def build(name: str, **kwargs: object) -> nn.Module:
    """The network called ``name``, in training mode, freshly initialised from torch's global generator.

    Its attribute ``made_from`` says how it was built: ``network``, the name, and ``settings``, the keywords.

    Raises:
        ValueError: no network has that name; the message lists those that exist.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name!r}: the names are {', '.join(names())}")
    module, attribute = NETWORKS[name].split(":")
    factory: Callable[..., nn.Module] = getattr(import_module(module), attribute)
    made = factory(**kwargs)
    made.made_from = {"network": name, "settings": kwargs}  # type: ignore[assignment]
    return made
