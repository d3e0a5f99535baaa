"""The door that makes `zenml pipeline run train_rasvsr` work: this module is the pipeline."""

import sys

from pipelines import train_rasvsr

sys.modules[__name__] = train_rasvsr
