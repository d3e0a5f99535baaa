"""Operators that networks of several papers share."""
