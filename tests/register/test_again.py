import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from satsr import tracking
from satsr.register import again, decisions, registry
from tests.conftest import MakeStore
from tests.tiny_graphs import image_graph
from tests.victims import UNFINISHED_MODELS

TAGS = {"review": "pending", "gates": "passed", "psnr": "30", "lineage": "a"}
FACTS = {"scale": 2, "cost.milliseconds": 3.0}


@pytest.mark.slow
def test_what_a_killed_registration_left_is_used_or_removed(tmp_path: Path, mlflow_store: MakeStore) -> None:
    mlflow_store(tmp_path)
    graph = image_graph(tmp_path / "m.onnx")
    mine, other = again.here(tmp_path), again.here(tmp_path / "another clone")
    with tracking.run(tmp_path, "toy") as run:
        unfinished = {**TAGS, registry.UNFINISHED: mine}
        first = registry.add_version(run, "toy", graph, unfinished, "card", facts=FACTS)
        found = again.earlier(run, "toy", TAGS, {**FACTS, "cost.milliseconds": 4.0})
        assert found is not None and (found.number, found.finished) == (first, False)
        assert again.earlier(run, "toy", {**TAGS, "psnr": "31"}, FACTS) is None
        again.finish(run, "toy", first)
        found = again.earlier(run, "toy", TAGS, FACTS)
        assert found is not None and (found.number, found.finished) == (first, True)
        second = registry.add_version(run, "toy", graph, {**unfinished, "psnr": "31"}, "card", facts=FACTS)
        theirs = registry.add_version(run, "toy", graph, {**TAGS, registry.UNFINISHED: other}, "card", facts=FACTS)
        again.clear(run, "toy", mine)
        numbers = {version.number for version in decisions.versions(run.client, "toy")}
        assert numbers == {first, theirs} and second not in numbers
        assert len(run.client.search_logged_models([run.experiment_id])) == 2


@pytest.mark.slow
def test_what_was_measured_again_with_another_result_is_registered_with_the_later_one(
    tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    for psnr in (30.0, 31.0):
        with tracking.run(tmp_path, "toy", "lineage") as run:
            run.tags({tracking.LINEAGE: "lineage"})
            run.metrics({"ema/psnr": psnr})
    from mlflow.entities import Metric  # seconds, which collecting the tests does without

    for loss in (2.0, 1.0):  # of one step, before and after a move to another machine
        run.client.log_batch(run.id, metrics=[Metric("loss", loss, 0, 0)])
    graph = image_graph(tmp_path / "m.onnx")
    assert registry.add_version(run, "toy", graph, {}, "card") == 1
    assert run.client.get_run(run.id).data.metrics == {"ema/psnr": 31.0, "loss": 2.0}


@pytest.mark.slow
def test_logged_models_of_others_stay(tmp_path: Path, mlflow_store: MakeStore) -> None:
    mlflow_store(tmp_path)
    graph = image_graph(tmp_path / "m.onnx")
    mine, other = again.here(tmp_path), again.here(tmp_path / "another clone")
    with tracking.run(tmp_path, "toy") as run:

        def logged() -> list[str]:
            return sorted(model.model_id for model in run.client.search_logged_models([run.experiment_id]))

        def unregistered(place: str) -> str:
            """The logged model of a registration that was killed before there was a version, as ``clear`` sees it."""
            number = registry.add_version(run, "toy", graph, {**TAGS, registry.UNFINISHED: place}, "card", facts=FACTS)
            source = run.client.get_model_version("toy", str(number)).source
            run.client.delete_model_version("toy", str(number))
            return source

        finished = registry.add_version(run, "toy", graph, {**TAGS, registry.UNFINISHED: mine}, "card", facts=FACTS)
        source = run.client.get_model_version("toy", str(finished)).source
        run.client.delete_model_version_tag("toy", str(finished), registry.UNFINISHED)  # and killed
        again.finish(run, "toy", finished)
        assert registry.UNFINISHED not in run.client.get_logged_model(source.rpartition("/")[2]).tags
        run.client.create_registered_model("by hand")
        run.client.create_model_version("by hand", source=source, run_id=run.id)
        run.client.delete_model_version("toy", str(finished))
        unregistered(other)
        before = logged()
        unregistered(mine)
        assert len(logged()) == 3
        again.clear(run, "toy", mine)
        assert logged() == before
    with closing(sqlite3.connect(tmp_path / tracking.DATABASE)) as database:
        assert len(database.execute(UNFINISHED_MODELS).fetchall()) == 1  # that of the other clone


@pytest.mark.slow
def test_a_killed_first_registration_does_not_keep_the_next_one_from_being_champion(
    tmp_path: Path, mlflow_store: MakeStore
) -> None:
    mlflow_store(tmp_path)
    graph, mine = image_graph(tmp_path / "m.onnx"), again.here(tmp_path)
    for moved in (False, True):  # killed before, and after the alias
        name = f"toy-{moved}"
        with tracking.run(tmp_path, "toy") as run:
            first = registry.add_version(run, name, graph, {**TAGS, registry.UNFINISHED: mine}, "card")
            decisions.first_champion(run.client, name, first)
            if not moved:
                registry.drop_alias(run.client, name, registry.CHAMPION)
        with tracking.run(tmp_path, "toy") as run:  # of other settings
            again.clear(run, name, mine)
            assert decisions.history(run.client, name) == []
            assert "Decisions" not in run.client.get_registered_model(name).description
            second = registry.add_version(run, name, graph, {**TAGS, "lineage": "b"}, "card")
            assert decisions.undecided(run.client, name, second)
            assert len(run.client.search_logged_models([run.experiment_id], filter_string=f"name = '{name}'")) == 1


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
