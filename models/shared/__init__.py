"""What networks of several papers share: the deformable convolution, and loading and saving weights."""
