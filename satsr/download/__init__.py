"""Stage 1: a dataset card becomes raw files."""
