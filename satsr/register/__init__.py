"""Stage 7: versions in the model registry, and their review."""
