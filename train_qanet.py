"""The door that makes `zenml pipeline run train_qanet` work: this module is the pipeline."""

import sys

from pipelines import train_qanet

sys.modules[__name__] = train_qanet
