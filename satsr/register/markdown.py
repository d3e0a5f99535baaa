"""Text of users in Markdown that the registry renders."""

import re


def escaped(text: str) -> str:
    """The text as Markdown that shows it letter by letter, on one line.

    Punctuation that could begin a link, a heading, emphasis, HTML or a table is preceded by a backslash (CommonMark,
    section 2.4); what is not printable becomes a space.
    """
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return re.sub(r"([\\`*_\[\]<>#|~!&])", r"\\\1", line)
