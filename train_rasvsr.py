import sys

from pipelines import train_rasvsr

sys.modules[__name__] = train_rasvsr  # so that `zenml pipeline run train_rasvsr` finds a pipeline
