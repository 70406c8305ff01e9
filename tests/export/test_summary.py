"""The answers at the head of a page, for readers who know nothing of the program."""

from dataclasses import replace

import pytest

from d24fad_core.detection.result import AnalysisWarning, AnomalyResult, Finding, WarningCode
from d24fad_core.export.answers import Part, doubts
from d24fad_core.export.summary import change_answers, summary_answers
from d24fad_core.places.place import RegionShare, Side, place_of
from tests.export.analysed_study import analysed
from tests.export.html.changed_study import changed_since

FOUR = (((4, 4, 6), 8.0), ((19, 4, 6), 7.0), ((4, 23, 6), 6.0), ((19, 23, 6), 5.0))


def answers(result: AnomalyResult) -> dict[str, str]:
    return {answer.question: answer.text for answer in summary_answers(result)}


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
    texts = answers(result)
    assert texts["What was found"].startswith("No region of this study")
    assert "does not mean healthy" in texts["How sure"]
    assert texts["Where"].startswith("Nowhere")


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
        "Finding 3: no name known, R 4, A 23, S 18 mm. The table has the others."
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
    assert ("probability of up to 20 %" in sure) == (rare is not None)


@pytest.mark.parametrize(
    ("comparison", "normals", "words"),
    [
        ("translated", 4, "20 % or more"),
        ("window", 2, "33 % or more"),
        ("learned", 4, "up to 20 %"),
    ],
)
def test_chance_is_not_called_smaller_than_it_is(comparison: str, normals: int, words: str) -> None:
    _, result = analysed()
    parameters = {**result.provenance.parameters, "comparison": comparison}
    (finding,) = result.findings
    rare = replace(
        with_findings(result, replace(finding, p_value=1 / (normals + 1))),
        calibration=replace(result.calibration, normal_patients=normals),
        provenance=replace(result.provenance, parameters=parameters),
    )
    assert f"a probability of {words}. " in answers(rare)["How sure"]


def test_without_p_values_it_is_said_that_rarity_is_not_known() -> None:
    _, result = analysed(lesions=FOUR)
    sure = answers(result)["How sure"]
    assert sure.startswith("How rare findings 1 to 4 are among normal people is not known")
    assert "whose score is higher than all 4 normals" in sure and "not a diagnosis" in sure
    first, *others = result.findings
    mixed = answers(with_findings(result, replace(first, p_value=0.4), *others))["How sure"]
    assert mixed.startswith("Finding 1 is no rarity")
    assert "How rare findings 2 to 4 are" in mixed
    without_scores = replace(result.calibration, normal_case_scores=())
    unknown = answers(replace(result, calibration=without_scores))["How sure"]
    assert "of the whole study alone. It is a reason" in unknown


def test_a_doubtful_result_says_so_first_and_leads_to_each_reason() -> None:
    query, result = analysed()
    warnings = [
        AnalysisWarning(code, "It is strange.", "Look.")
        for code in (WarningCode.OTHER_SIZE, WarningCode.ABNORMAL_SUPPORT, WarningCode.PRIOR_LATER)
    ]
    one = answers(replace(result, warnings=(warnings[0],)))["How sure"]
    assert one.startswith(
        "There is 1 reason to doubt this result: the body is not as large as in the normals. "
    )
    change = replace(changed_since(query), changes=(), warnings=(warnings[2],))
    every = summary_answers(replace(result, warnings=tuple(warnings[:2])), change)
    (sure,) = (answer for answer in every if answer.question == "How sure")
    assert sure.text.startswith("There are 3 reasons to doubt this result: the body is not as")
    assert [part for part in sure.parts if part.warning is not None] == [
        Part("the body is not as large as in the normals", 1),
        Part("one of the normals stands out from the others", 2),
        Part("the prior was made on a later day", 3),
    ]


@pytest.mark.parametrize("code", list(WarningCode))
def test_every_warning_can_be_named(code: WarningCode) -> None:
    (_, name, _) = doubts([AnalysisWarning(code, "It is strange.", "Look.")])
    assert name.warning == 1 and len(name.text) > 10


def test_a_comparison_with_a_prior_alone_is_answered_too() -> None:
    query, result = analysed(shape=(48, 56, 40))
    change = changed_since(query)
    texts = {answer.question: answer.text for answer in change_answers(change)}
    assert list(texts) == ["What was found", "Where", "How sure", "Compared with"]
    assert texts["What was found"] == (
        "Since last-year: 1 new. The strongest is change 1, new: 0.00 ml before, 0.50 ml now. "
        "1 finding did not change."
    )
    assert texts["Where"].startswith("Change 1: R 32, A 20, S 78 mm. Change 2: ")
    assert "more than 6.5 z" in texts["How sure"] and "last-year" in texts["Compared with"]
    stable = replace(change, changes=change.changes[1:])
    (since,) = (a for a in summary_answers(result, stable) if a.question == "Since the prior")
    assert since.text.startswith("No change was found since last-year.")
    assert "1 finding did not change. On real pairs" in since.text


def test_regions_too_small_to_count_are_mentioned() -> None:
    for lesions, words in (((), "No region of 0.1 ml or more"), (FOUR, "below 0.1 ml are not")):
        _, result = analysed(lesions=lesions)
        parameters = {**result.provenance.parameters, "minimum_volume_ml": 0.1}
        provenance = replace(result.provenance, parameters=parameters)
        assert words in answers(replace(result, provenance=provenance))["What was found"]


@pytest.mark.parametrize(
    ("comparison", "words"),
    [("window", "place by place"), ("learned", "mirror image of this study")],
)
def test_what_it_was_compared_with_is_named(comparison: str, words: str) -> None:
    _, result = analysed()
    parameters = {**result.provenance.parameters, "comparison": comparison}
    provenance = replace(result.provenance, parameters=parameters)
    compared = answers(replace(result, provenance=provenance))["Compared with"]
    assert compared.startswith("4 normal studies of other people: normal-0, normal-1, ")
    assert words in compared and "No disease is recognised" in compared
    assert "automatically" not in compared
    parameters["comparison_reason"] = "so it is"
    provenance = replace(provenance, parameters=parameters)
    compared = answers(replace(result, provenance=provenance))["Compared with"]
    assert f"The {comparison} comparison was chosen automatically: so it is." in compared
