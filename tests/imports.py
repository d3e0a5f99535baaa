"""What a module of the project imports, read from the sources: the whole closure, without running anything."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "pipelines", "satsr", "steps")


@cache
def modules() -> dict[str, Path]:
    """Every module of the project and its file."""
    found = {}
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def imported_by(module: str) -> frozenset[str]:
    """The modules of the project that ``module`` imports, at its top or inside a function."""
    found: set[str] = set()
    for node in _nodes(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found & set(modules()))


def closure(roots: Iterable[str]) -> set[str]:
    """Everything that is imported with ``roots``: also the packages that each module lies in."""
    waiting, seen = list(roots), set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += [*imported_by(module), *(name for name in _outer(module) if name in modules())]
    return seen


def files(names: Iterable[str]) -> set[str]:
    """The modules' files, relative to the project's root."""
    return {modules()[name].relative_to(ROOT).as_posix() for name in names}


def _outer(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of imports for type checkers, and of names that a module imports when they are asked for."""
    for node in ast.iter_child_nodes(tree):
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        lazy = isinstance(node, ast.FunctionDef) and node.name == "__getattr__"
        if not typing and not lazy:
            yield node
            yield from _nodes(node)
