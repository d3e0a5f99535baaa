"""Configuration: what a paper's YAML says, what ``params.yaml`` changes of it, checked before it is used.

``pipelines/<paper>.yaml`` holds one block per profile, each with the sections of :class:`satsr.config.recipe.Config`.
``params.yaml`` names the profile and changes single values of it (null: as the profile says); it is also the file that
``dvc exp run -S``, ``zenml pipeline run -c`` and ``satsr set`` edit, so that both doors always see the same
configuration. The sections of the stages that make the data (:mod:`satsr.config.data`) stand apart from those of the
recipe (:mod:`satsr.config.recipe`), so that a new key of a network converts nothing again.
"""
