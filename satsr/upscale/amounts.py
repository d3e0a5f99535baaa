"""Amounts of memory and disk, for people."""


def amount(count: float) -> str:
    """Bytes in the unit that shows them: ``2.3 GB``, ``38 MB``; at least 1 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 0.1e9 else f"{max(round(count / 1e6), 1)} MB"
