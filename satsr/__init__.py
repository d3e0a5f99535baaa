"""satsr: published methods of satellite super-resolution as reproducible pipelines."""

__version__ = "0.1.0"
