"""The door that makes `zenml pipeline run train_srgan` work: this module is the pipeline."""

import sys

from pipelines import train_srgan

sys.modules[__name__] = train_srgan
