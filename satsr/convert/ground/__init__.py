"""What layouts share: opening a scene, cutting it into tiles, passes of a coarser sensor over it, tables."""
