"""The door that makes `zenml pipeline run train_msdtgp` work: this module is the pipeline."""

import sys

from pipelines import train_msdtgp

sys.modules[__name__] = train_msdtgp
