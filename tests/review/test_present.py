"""A finished registration against the registry that is there today."""

from pathlib import Path

import pytest

from satsr import tracking
from satsr.files import write_json
from satsr.project import Places
from satsr.register import registry
from satsr.review.present import present
from tests.conftest import MakeStore
from tests.tiny_graphs import image_graph


@pytest.mark.slow
def test_a_registration_holds_while_the_registry_has_that_version_of_those_weights(
    tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    places = Places(tmp_path, "toy")

    def holds(version: int, lineage: str) -> bool:
        write_json(places.registration / "registration.json", {"name": "toy", "version": version})
        write_json(places.registration / "manifest.json", {"lineage": lineage})
        return present(places)

    assert not holds(1, "a")  # another server, that has no such model
    with tracking.run(tmp_path, "toy") as run:
        assert registry.add_version(run, "toy", image_graph(tmp_path / "m.onnx"), {"lineage": "a"}, "card") == 1
    assert holds(1, "a")
    assert not holds(1, "b") and not holds(2, "a")
