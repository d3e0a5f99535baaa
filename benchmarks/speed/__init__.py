"""How fast satsr is, as ratios to work that anyone can repeat.

``make bench`` or ``python -m benchmarks.speed [part ...]``.

Each part is a module with ``rows() -> Iterator[Row]``; ``ratio.py`` is how one row is measured.
"""
