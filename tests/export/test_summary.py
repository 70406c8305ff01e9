"""The answers at the head of a page, for readers who know nothing of the program."""

from dataclasses import replace

import pytest

from d24fad_core.detection.result import AnalysisWarning, AnomalyResult, Finding, WarningCode
from d24fad_core.export.summary import summary_entries
from d24fad_core.places.place import RegionShare, Side, place_of
from tests.export.analysed_study import analysed

FOUR = (((4, 4, 6), 8.0), ((19, 4, 6), 7.0), ((4, 23, 6), 6.0), ((19, 23, 6), 5.0))


def answers(result: AnomalyResult) -> dict[str, str]:
    return dict(summary_entries(result))


def with_findings(result: AnomalyResult, *findings: Finding) -> AnomalyResult:
    return replace(result, findings=findings)


def test_what_was_found_is_counted_and_measured() -> None:
    _, result = analysed()
    (finding,) = result.findings
    one = answers(result)["What was found"]
    assert one.startswith(
        "One region of this study differs from the normal ones by more than 3.0 z"
    )
    assert f"at most {finding.peak_score:.1f} z" in one
    _, many = analysed(lesions=FOUR)
    first = many.findings[0]
    words = answers(many)["What was found"]
    assert words.startswith(f"{len(many.findings)} regions of this study differ")
    assert f"The strongest is finding 1: {first.volume_ml:.2f} ml" in words


def test_nothing_found_does_not_mean_healthy() -> None:
    _, result = analysed(lesions=())
    found = answers(result)
    assert found["What was found"].startswith("No region of this study")
    assert "does not mean healthy" in found["How sure"]
    assert found["Where"].startswith("Nowhere")


def test_where_names_the_first_findings_and_their_doubt() -> None:
    _, result = analysed(lesions=FOUR)
    share = (RegionShare("frontal lobe", Side.LEFT, 0.9),)
    places = [
        place_of(share, certain=True, atlas="map"),
        place_of(share, certain=False, atlas="map"),
        None,
        None,
    ]
    findings = [
        replace(each, place=place) for each, place in zip(result.findings, places, strict=True)
    ]
    assert answers(with_findings(result, *findings))["Where"] == (
        "Finding 1: left frontal lobe. Finding 2: uncertain: left frontal lobe. "
        "Finding 3: no name known. The table has the others."
    )
    assert "--regions" in answers(result)["Where"]


@pytest.mark.parametrize(
    ("p_values", "rare", "common"),
    [
        ((0.2, 0.2, 0.2, 0.2), "Findings 1 to 4 are rarer", None),
        ((0.2, 0.4, 0.2, 0.6), "Findings 1 and 3 are rarer", "Findings 2 and 4 are no rarity"),
        ((0.4, 0.4, 0.4, 0.2), "Finding 4 is rarer", "Findings 1 to 3 are no rarity"),
        ((1.0, 1.0, 1.0, 1.0), None, "Findings 1 to 4 are no rarity"),
    ],
)
def test_how_sure_is_said_in_words(
    p_values: tuple[float, ...], rare: str | None, common: str | None
) -> None:
    _, result = analysed(lesions=FOUR)
    findings = [
        replace(each, p_value=value) for each, value in zip(result.findings, p_values, strict=True)
    ]
    sure = answers(with_findings(result, *findings))["How sure"]
    assert (rare is None) == ("rarer" not in sure) and (rare or "") in sure
    assert (common is None) == ("no rarity" not in sure) and (common or "") in sure
    assert ("up to 1 in 5 normal people" in sure) == (rare is not None)


def test_a_doubtful_result_says_so_first() -> None:
    _, result = analysed()
    warning = AnalysisWarning(WarningCode.OTHER_SIZE, "It is small.", "Look.")
    sure = answers(replace(result, warnings=(warning,)))["How sure"]
    assert sure.startswith("There is 1 reason to doubt this result")


@pytest.mark.parametrize(
    ("comparison", "words"), [("window", "place by place"), ("learned", "taught on anomalies")]
)
def test_what_it_was_compared_with_is_named(comparison: str, words: str) -> None:
    _, result = analysed()
    parameters = {**result.provenance.parameters, "comparison": comparison}
    provenance = replace(result.provenance, parameters=parameters)
    compared = answers(replace(result, provenance=provenance))["Compared with"]
    assert compared.startswith("4 normal studies of other people: normal-0, normal-1, ")
    assert words in compared and "No disease is recognised" in compared
