"""Dated series with one target."""
