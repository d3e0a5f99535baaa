"""Super-resolving scenes, clips and series of one's own, of any size."""
