"""Clips of any length: segment by segment into frames or a video."""
