"""A model that was exported: what it says of itself, and running it on native values."""
