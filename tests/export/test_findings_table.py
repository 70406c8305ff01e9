import csv
from dataclasses import replace
from pathlib import Path

import pytest

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.export import write_findings
from d24fad_core.export.wording import volume_text
from d24fad_core.places.place import RegionShare, Side, place_of
from tests.export.analysed_study import analysed


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_each_finding_is_a_row(tmp_path: Path) -> None:
    lesions = (((16, 9, 6), 8.0), ((6, 20, 3), 5.0))
    _, result = analysed(name='odd, "name"', lesions=lesions)
    write_findings(result, tmp_path / "findings.csv")
    first, second = rows(tmp_path / "findings.csv")
    assert (first["rank"], second["rank"]) == ("1", "2")
    assert first["study"] == 'odd, "name"'
    assert [first[f"peak_voxel_{axis}"] for axis in "ijk"] == ["16", "9", "6"]
    assert float(first["peak_superior_mm"]) == pytest.approx(18.0)
    assert float(first["volume_ml"]) == pytest.approx(result.findings[0].volume_ml, rel=0.05)
    assert first["notice"] == RESEARCH_USE_ONLY


def test_without_findings_the_header_is_left(tmp_path: Path) -> None:
    _, result = analysed(lesions=())
    write_findings(result, tmp_path / "findings.csv")
    assert rows(tmp_path / "findings.csv") == []
    assert (tmp_path / "findings.csv").read_text(encoding="utf-8").startswith("study,rank,")


def test_places_have_columns(tmp_path: Path) -> None:
    _, result = analysed(lesions=(((16, 9, 6), 8.0), ((6, 20, 3), 5.0)))
    first, second = result.findings
    shares = (
        RegionShare("frontal lobe", Side.LEFT, 0.7),
        RegionShare("insula", Side.LEFT, 0.3),
    )
    named = replace(first, place=place_of(shares, certain=False, atlas="atlas"))
    write_findings(replace(result, findings=(named, second)), tmp_path / "findings.csv")
    one, other = rows(tmp_path / "findings.csv")
    assert (one["side"], one["region"]) == ("left", "frontal lobe")
    assert one["place"] == "uncertain: left frontal lobe 70 %, left insula 30 %"
    assert [other[name] for name in ("side", "region", "place")] == ["", "", ""]


@pytest.mark.parametrize(
    ("ml", "words"), [(0.0834, "0.08"), (0.5761, "0.58"), (1.756, "1.8"), (58.289, "58")]
)
def test_a_volume_has_as_many_digits_as_are_known(ml: float, words: str) -> None:
    assert volume_text(ml) == words
