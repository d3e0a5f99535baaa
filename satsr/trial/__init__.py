"""A model measured on pairs of the user's own: ``satsr evaluate``."""
