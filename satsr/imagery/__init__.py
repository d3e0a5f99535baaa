"""Opening imagery, one module a format."""
