import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.export.html import ArchiveEntry, write_archive_page, write_change_html, write_html
from d24fad_core.export.html.page import VIEWER
from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.html.view_volumes import view_volumes
from d24fad_core.export.wording import distances_sentence, threshold_sentence
from d24fad_core.places.place import RegionShare, Side, place_of
from d24fad_core.volumes.volume import Modality, Plane
from tests.export.analysed_study import analysed, reduced_study
from tests.export.html.changed_study import changed_since
from tests.export.html.shown_study import head


class Scripts(HTMLParser):
    """Collects the text of script elements by id; those without one are numbered."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._name: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._name = dict(attrs).get("id") or f"script-{len(self.texts)}"
            self.texts[self._name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._name = None

    def handle_data(self, data: str) -> None:
        if self._name is not None:
            self.texts[self._name] += data


def content(path: Path) -> dict[str, Any]:
    parser = Scripts()
    parser.feed(path.read_text(encoding="utf-8"))
    document = json.loads(parser.texts["content"])
    assert isinstance(document, dict)
    return document


def turned() -> NDArray[np.float64]:
    affine = np.eye(4)
    angles = Rotation.from_euler("xyz", (12, -20, 7), degrees=True).as_matrix()
    affine[:3, :3] = (angles @ np.diag([-1.0, 2.0, -3.0]))[:, [2, 0, 1]]
    affine[:3, 3] = (10, -20, 30)
    return affine


def test_the_viewer_is_what_its_record_says() -> None:
    vendor = files("d24fad_core.export.html") / "vendor"
    record = json.loads((vendor / "niivue.json").read_text(encoding="utf-8"))
    assert record["file"] == VIEWER
    assert hashlib.sha256((vendor / VIEWER).read_bytes()).hexdigest() == record["sha256"]
    assert "BSD 2-Clause" in (vendor / record["licence_file"]).read_text(encoding="utf-8")


def test_the_page_says_research_use_only_and_allows_no_connection(tmp_path: Path) -> None:
    write_html(*head(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count(RESEARCH_USE_ONLY) >= 2
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "connect-src" not in policy and "http" not in policy


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--[blocks]-->", "患者"])
def test_a_name_stays_a_name(tmp_path: Path, name: str) -> None:
    write_html(*analysed(name=name), tmp_path / "plain.html")
    assert content(tmp_path / "plain.html")["title"] == name


@pytest.mark.parametrize("affine", [None, turned()], ids=["straight", "turned"])
@pytest.mark.parametrize("largest", [10**6, 900], ids=["whole", "reduced"])
def test_a_finding_lies_where_its_fraction_says(
    affine: NDArray[np.float64] | None, largest: int
) -> None:
    query, result = analysed(affine=affine)
    view = ShownMap.of_result(result)
    grid = ViewGrid.of(query, view, largest)
    assert np.prod(grid.shape) <= largest
    (finding,) = result.findings
    fraction = grid.fraction(finding.peak_voxel)
    np.testing.assert_allclose(
        (grid.fraction_to_mm @ [*fraction, 1.0])[:3], finding.peak_ras_mm, atol=1e-6
    )
    volumes = view_volumes(query, view, grid)
    at = tuple(int(part * count) for part, count in zip(fraction, grid.shape, strict=True))
    assert volumes.ranks[at] == 1
    if largest > 900:
        peak = volumes.scores[at] * volumes.score_step
        assert peak == pytest.approx(finding.peak_score, abs=volumes.score_step)
    # A coarser grid of the same box: its first voxel's outer corner is the box's corner.
    coarse = grid.coarser_affine((4, 5, 3))
    np.testing.assert_allclose(
        coarse @ [-0.5, -0.5, -0.5, 1.0], grid.fraction_to_mm @ [0, 0, 0, 1.0], atol=1e-6
    )


@pytest.mark.parametrize("plane", list(Plane))
def test_the_strip_names_the_slices_of_the_file(tmp_path: Path, plane: Plane) -> None:
    query, result = analysed(affine=turned(), plane=plane)
    write_html(query, result, tmp_path / "report.html")
    strip = content(tmp_path / "report.html")["view"]["strip"]
    assert strip["plane"] == plane.value
    highest = int(np.argmax(strip["scores"]))
    (finding,) = result.findings
    assert strip["numbers"][highest] == finding.peak_voxel[result.slice_axis]
    fraction = content(tmp_path / "report.html")["findings"][0]["fraction"][strip["axis"]]
    assert int(fraction * strip["extent"]) == highest


def test_slices_of_a_reduced_scan_are_numbered_as_in_its_source(tmp_path: Path) -> None:
    query, result = reduced_study((4, 3, 5), (1, 2, 0))
    write_html(query, result, tmp_path / "report.html")
    document = content(tmp_path / "report.html")
    strip = document["view"]["strip"]
    assert strip["numbers"][int(np.argmax(strip["scores"]))] == 17
    assert document["findings"][0]["peak_voxel"][2] == 17


def test_words_say_how_the_case_stands_and_what_the_threshold_means(tmp_path: Path) -> None:
    query, result = head()
    by_calibration = replace(result.provenance, parameters={"threshold": None})
    warning = AnalysisWarning(WarningCode.OTHER_SIZE, "It is small.", "Look at the original.")
    doubtful = replace(result, provenance=by_calibration, warnings=(warning,))
    write_html(query, doubtful, tmp_path / "report.html")
    document = content(tmp_path / "report.html")
    assert document["headline"] == "3 findings"
    assert "higher than all 4 normals" in document["case_sentence"]
    assert "1 voxel in 2000 of the normals" in document["threshold_sentence"]
    assert document["warnings"][0]["remedy"] == "Look at the original."


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"threshold": 4.0, "comparison": "learned"}, "set by hand"),
        ({"threshold": None, "comparison": "learned"}, "the decoder's own threshold"),
    ],
)
def test_a_threshold_is_explained_by_where_it_comes_from(
    parameters: dict[str, str | int | float | bool | None], words: str
) -> None:
    _, result = head()
    provenance = replace(result.provenance, parameters=parameters)
    sentence = threshold_sentence(replace(result, provenance=provenance))
    assert words in sentence
    assert "1 voxel in" not in sentence


def test_a_finding_is_explained_in_words(tmp_path: Path) -> None:
    query, result = head()
    first, second, third = result.findings
    near = replace(first, normal_distances=(2.0, 1.0, 3.0, 4.0), nearest_normal="b")
    known = (
        replace(near, p_value=0.2, matched_ras_mm=(21.6, -3.0, 0.2)),
        replace(second, p_value=0.6),
        third,
    )
    write_html(query, replace(result, findings=known), tmp_path / "report.html")
    rare, common, unknown = content(tmp_path / "report.html")["findings"]
    assert rare["sentences"][0].startswith("Rarer than anything in these 4 normals")
    assert rare["sentences"][1] == (
        "Here the study is most like b, there at R 22, P 3, S 0 mm of its own scan."
    )
    assert rare["distances_sentence"] == (
        "How much each normal differs from the study here: normal-1 least, normal-0 100 % more, "
        "normal-2 200 % more, normal-3 300 % more."
    )
    assert common["distances_sentence"] is None
    assert (rare["as_high"], common["as_high"], unknown["as_high"]) == (0, 2, None)
    assert common["sentences"][0].startswith("2 of the 4 normals score as high somewhere")
    assert unknown["sentences"] == []


def test_a_page_says_where_findings_are(tmp_path: Path) -> None:
    query, result = head()
    first, second, *others = result.findings
    share = RegionShare("frontal lobe", Side.LEFT, 0.9)
    sure = place_of((share,), certain=True, atlas="the map")
    known = (
        replace(first, place=sure),
        replace(second, place=place_of((share,), certain=False, atlas="the map")),
        *others,
    )
    write_html(query, replace(result, findings=known), tmp_path / "report.html")
    certain, doubtful, *unknown = content(tmp_path / "report.html")["findings"]
    assert certain["place_text"] == "left frontal lobe"
    assert "Place: left frontal lobe (by the map)." in certain["sentences"]
    assert any("uncertain" in sentence for sentence in doubtful["sentences"])
    assert all(each["place_text"] == "" for each in unknown)


@pytest.mark.parametrize(
    ("distances", "words"),
    [
        ((2.0, 2.1, 2.4), "a least, b 5 % more, c 20 % more. a and b are about equally like it"),
        ((2.4, 0.0, 2.1), "From the most like to the least: b, c, a."),
    ],
)
def test_normals_that_are_nearly_as_near_are_called_so(
    distances: tuple[float, ...], words: str
) -> None:
    _, result = analysed()
    finding = replace(result.findings[0], normal_distances=distances)
    assert words in str(distances_sentence(finding, "abc"))


def test_three_dimensions_show_findings_alone() -> None:
    query, result = head()
    heatmap = result.heatmap.copy()
    heatmap[24, 24, 20] = 9.0
    view = ShownMap.of_result(replace(result, heatmap=heatmap))
    volumes = view_volumes(query, view, ViewGrid.of(query, view))
    assert volumes.scores.max() * volumes.score_step == pytest.approx(9.0, abs=0.1)
    assert volumes.body_scores.max() * volumes.score_step == pytest.approx(8.4, abs=0.1)


@pytest.mark.parametrize("shape", [(30, 30, 1), (30, 30, 2), (90, 3, 5)])
@pytest.mark.parametrize("modality", list(Modality))
def test_small_studies_give_a_page(
    tmp_path: Path, shape: tuple[int, int, int], modality: Modality
) -> None:
    query, result = analysed(shape=shape, modality=modality)
    write_html(query, result, tmp_path / "report.html")
    query.array[...] = 7
    write_html(query, result, tmp_path / "constant.html")
    assert content(tmp_path / "constant.html")["view"]["shape"] == list(shape)


def test_the_page_of_a_scan_is_in_the_order_of_case_scores(tmp_path: Path) -> None:
    entries = [
        ArchiveEntry("low", 1.0, 0.8, (), (), "", None),
        ArchiveEntry("<b>failed</b>", None, None, (), (), "it is no image", None),
        ArchiveEntry("high", 9.0, 0.2, (9.5, 4.0), (1.5, 0.5), "", "results/a b/report.html"),
    ]
    write_archive_page(entries, "Scan x", tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.index(">high<") < text.index(">low<") < text.index("&lt;b&gt;failed")
    assert 'href="results/a%20b/report.html"' in text
    assert RESEARCH_USE_ONLY in text and "1 could not be analysed" in text


def test_a_prior_is_shown_beside_the_study_with_what_changed(tmp_path: Path) -> None:
    query, result = head()
    write_html(query, result, tmp_path / "report.html", change=changed_since(query))
    page = content(tmp_path / "report.html")
    assert [(each["name"], each["prior"]) for each in page["normals"]] == [("last-year", True)]
    rows = page["change"]["rows"]
    assert [(row["kind"], row["before"], row["now"]) for row in rows] == [
        ("new", "0.00", "0.50"),
        ("stable", "1.4", "1.5"),
    ]
    assert rows[0]["fraction"] == page["findings"][0]["fraction"]
    assert "last-year" in page["change"]["sentence"]


def test_a_prior_alone_has_a_page_without_findings(tmp_path: Path) -> None:
    query, _ = head()
    change = changed_since(query)
    write_change_html(query, change, tmp_path / "report.html")
    page = content(tmp_path / "report.html")
    assert page["headline"] == "2 changes since last-year"
    assert page["findings"] is None and "calibration" not in page
    assert [(each["name"], each["prior"]) for each in page["normals"]] == [("last-year", True)]
    assert [row["kind"] for row in page["change"]["rows"]] == ["new", "stable"]
    assert page["view"]["threshold"] == change.threshold
    at = change.changes[0].peak_voxel
    strip = page["view"]["strip"]
    assert strip["plane"] == "axial"
    assert strip["scores"][strip["numbers"].index(at[2])] == pytest.approx(8.0)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count(RESEARCH_USE_ONLY) >= 2


def test_heat_of_a_change_is_its_strength_brighter_or_darker() -> None:
    query, _ = head()
    change = changed_since(query)
    darker = replace(change, heatmap=-change.heatmap)
    view = ShownMap.of_change(darker)
    grid = ViewGrid.of(query, view)
    volumes = view_volumes(query, view, grid)
    assert volumes.scores.max() * volumes.score_step == pytest.approx(8.0, abs=0.1)
    assert set(np.unique(volumes.ranks)) == {0, 1}


def test_without_a_prior_there_is_no_change(tmp_path: Path) -> None:
    query, result = head()
    write_html(query, result, tmp_path / "report.html")
    page = content(tmp_path / "report.html")
    assert page["change"] is None and page["normals"] == []


def test_the_head_of_the_page_answers_what_where_how_sure_and_compared_with_what(
    tmp_path: Path,
) -> None:
    query, result = head()
    write_html(query, result, tmp_path / "report.html")
    write_html(query, result, tmp_path / "since.html", change=changed_since(query))
    write_change_html(query, changed_since(query), tmp_path / "prior.html")
    question_texts = ["What was found", "Where", "How sure", "Compared with"]
    questions = {
        "report": question_texts,
        "since": [*question_texts, "Since the prior"],
        "prior": question_texts,
    }
    for name, expected in questions.items():
        summary = content(tmp_path / f"{name}.html")["summary"]
        assert [answer["question"] for answer in summary] == expected
        assert all("".join(part["text"] for part in answer["parts"]) for answer in summary)
