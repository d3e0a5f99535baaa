"""A STAC Item as a scene: what it says of its assets, and their files, beside it or fetched."""
