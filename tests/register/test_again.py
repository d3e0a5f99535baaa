from pathlib import Path

import pytest

from satsr import tracking
from satsr.register import again, decisions, registry
from tests.conftest import MakeStore
from tests.tiny_graphs import image_graph

TAGS = {"review": "pending", "gates": "passed", "psnr": "30", "lineage": "a"}
FACTS = {"scale": 2, "cost.milliseconds": 3.0}


@pytest.mark.slow
def test_what_a_killed_registration_left_is_used_or_removed(tmp_path: Path, mlflow_store: MakeStore) -> None:
    mlflow_store(tmp_path)
    graph = image_graph(tmp_path / "m.onnx")
    mine, other = again.here(tmp_path), again.here(tmp_path / "another clone")
    with tracking.run(tmp_path, "toy") as run:
        unfinished = {**TAGS, again.UNFINISHED: mine}
        first = registry.add_version(run, "toy", graph, unfinished, "card", facts=FACTS)
        found = again.earlier(run, "toy", TAGS, {**FACTS, "cost.milliseconds": 4.0})
        assert found is not None and (found.number, found.finished) == (first, False)
        assert again.earlier(run, "toy", {**TAGS, "psnr": "31"}, FACTS) is None
        again.finish(run, "toy", first)
        found = again.earlier(run, "toy", TAGS, FACTS)
        assert found is not None and (found.number, found.finished) == (first, True)
        second = registry.add_version(run, "toy", graph, {**unfinished, "psnr": "31"}, "card", facts=FACTS)
        theirs = registry.add_version(run, "toy", graph, {**TAGS, again.UNFINISHED: other}, "card", facts=FACTS)
        again.clear(run, "toy", mine)
        numbers = {version.number for version in decisions.versions(run.client, "toy")}
        assert numbers == {first, theirs} and second not in numbers
        logged = run.client.search_logged_models([run.experiment_id])
        assert len(logged) == 2


@pytest.mark.slow
def test_a_first_champion_is_made_again_when_it_was_killed_before_its_alias(
    tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    with tracking.run(tmp_path, "toy") as run:
        number = registry.add_version(run, "toy", image_graph(tmp_path / "m.onnx"), TAGS, "card")
        decisions.first_champion(run.client, "toy", number)
        registry.drop_alias(run.client, "toy", registry.CHAMPION)
        assert decisions.undecided(run.client, "toy", number) and not decisions.undecided(run.client, "toy", number + 1)
        decisions.first_champion(run.client, "toy", number)
        assert registry.alias(run.client, "toy", registry.CHAMPION) == number
        assert len(decisions.history(run.client, "toy")) == 1


@pytest.mark.slow
def test_a_training_that_is_started_again_goes_on_in_its_run(tmp_path: Path, mlflow_store: MakeStore) -> None:
    mlflow_store(tmp_path)
    kept = tmp_path / "scratch/key.run"
    found = []
    for _ in range(2):
        with tracking.run(tmp_path, "toy", name="toy", kept=kept) as run:
            run.params({"a": 1})
            run.metrics({"loss": 0.5}, step=3)
            found.append(run.id)
    with tracking.run(tmp_path, "toy", name="toy", kept=tmp_path / "scratch/other.run") as run:
        found.append(run.id)
    assert found[0] == found[1] != found[2]
    assert len(run.client.get_metric_history(found[0], "loss")) == 1
    assert run.client.get_run(found[0]).info.status == "FINISHED"
