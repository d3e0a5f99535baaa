"""Proba-V's image sets, and the zip that its challenge takes."""
