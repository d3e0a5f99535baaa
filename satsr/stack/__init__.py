"""Where the pipelines run: stacks of ZenML, each described by one YAML file and registered by ``satsr stack``."""
