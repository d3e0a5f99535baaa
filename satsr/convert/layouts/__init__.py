"""Layouts of data sets, a file each: what lies in a folder becomes scenes."""
