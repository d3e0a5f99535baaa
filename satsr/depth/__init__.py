"""How unlike its training data an image is, block by block; what that is measured by, in plain numbers."""
