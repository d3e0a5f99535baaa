"""Pairs of one image, or several views, and a target."""
