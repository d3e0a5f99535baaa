"""Clips of 8-bit frames."""
