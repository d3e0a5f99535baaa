import pytest

from satsr.tracking.versions import VersionName, parsed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rasvsr", VersionName("rasvsr")),
        ("srgan-sisr6/3", VersionName("srgan-sisr6", number=3)),
        ("rasvsr@champion", VersionName("rasvsr", alias="champion")),
        ("models:/qanet/12", VersionName("qanet", number=12)),
        ("rasvsr/", None),
        ("rasvsr/new", None),
        ("rasvsr@", None),
        ("rasvsr/3@champion", None),
        ("a b", None),
        ("", None),
    ],
)
def test_a_version_is_named_by_number_or_alias(text: str, named: VersionName | None) -> None:
    assert parsed(text) == named
    assert named is None or str(named) == text.removeprefix("models:/")
