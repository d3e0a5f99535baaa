"""The door that makes `zenml pipeline run train_breizhsr` work: this module is the pipeline."""

import sys

from pipelines import train_breizhsr

sys.modules[__name__] = train_breizhsr
