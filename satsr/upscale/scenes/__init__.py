"""Scenes and the dates of a series, of any size: row by row through windows into georeferenced files."""
