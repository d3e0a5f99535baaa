"""A stage that is killed at a random moment and started again: `make soak` does the same for hours, at every stage."""

import random

import pytest

from tests.project import STAGES
from tests.victims import DOORS, Kill, Victim, drawn

SEED = 14


def test_kills_take_turns_and_are_those_of_their_seed() -> None:
    kills = [drawn(SEED, place) for place in range(14)]
    assert {(kill.door, kill.stage) for kill in kills} == {(door, stage) for door in DOORS for stage in STAGES}
    assert len({kill.share for kill in kills}) == 14 and all(0 <= kill.share < 1 for kill in kills)
    assert kills == [drawn(SEED, place) for place in range(14)] != [drawn(SEED + 1, place) for place in range(14)]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    return Victim(tmp_path_factory.mktemp("victim"))


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_a_killed_registration_is_one_version_when_the_same_command_is_given_again(door: str, victim: Victim) -> None:
    kill = Kill(door, "register", random.Random(f"{SEED} {door}").uniform(0.5, 1.0))
    assert victim.strike(kill)
    assert victim.violations(kill) == []
