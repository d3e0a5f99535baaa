"""Unregistered views with quality maps."""
