"""The project's docstrings as Markdown, for the site: they have a few marks of reStructuredText."""

import re
from typing import Any

from griffe import Extension

ROLE = re.compile(r":(?:mod|class|func|meth|data|attr|obj):`~?([^`]+)`")


def markdown(text: str) -> str:
    """``text`` with roles and double backticks as code, and its literal blocks introduced by one colon."""
    text = ROLE.sub(r"`\1`", text).replace("``", "`")
    text = re.sub(r"^::\n", "", text, flags=re.MULTILINE)
    return re.sub(r"::$", ":\n", text, flags=re.MULTILINE)


class Docstrings(Extension):
    """Changes every docstring as it is read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
