"""The seven stages, a page of contents each: a plain function from configuration and files to files.

``python -m steps <stage> <paper>`` runs one (that is what ``dvc.yaml`` calls); :mod:`steps.zen` wraps the same
functions as ZenML steps that ask DVC whether there is anything to do. What a stage opens stands in the room of its
name, ``satsr/<stage>``.
"""

STAGES = ("download", "convert", "validate", "train", "evaluate", "export", "register")
