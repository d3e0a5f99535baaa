"""A ZenML pipeline of one step that does nothing: what the tool itself takes."""

from zenml import pipeline, step


@step(enable_cache=False)
def nothing() -> int:
    """A step needs an output to be worth a step."""
    return 1


@pipeline(enable_cache=False)
def empty() -> None:
    """One step."""
    nothing()
