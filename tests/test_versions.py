import pytest

from satsr.tracking.versions import Reference, parsed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rasvsr", Reference("rasvsr")),
        ("srgan-sisr6/3", Reference("srgan-sisr6", number=3)),
        ("rasvsr@champion", Reference("rasvsr", alias="champion")),
        ("models:/qanet/12", Reference("qanet", number=12)),
        ("rasvsr/", None),
        ("rasvsr/new", None),
        ("rasvsr@", None),
        ("rasvsr/3@champion", None),
        ("a b", None),
        ("", None),
    ],
)
def test_a_version_is_named_by_number_or_alias(text: str, named: Reference | None) -> None:
    assert parsed(text) == named
    assert named is None or str(named) == text.removeprefix("models:/")
