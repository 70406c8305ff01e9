"""What is printed of a result."""

from dataclasses import replace
from pathlib import Path

import pytest

from d24fad_core.cli.cases.findings_text import show_result
from d24fad_core.export import write_result
from tests.export.html.shown_study import head

HINT = "--comparison learned"


@pytest.mark.parametrize(
    ("modality", "comparison", "hints"),
    [
        ("MR", "window", True),
        ("MR", "learned", False),
        ("MR", "translated", False),
        ("CT", "window", False),
    ],
)
def test_who_may_have_a_brain_in_mr_hears_of_the_comparison_for_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    modality: str,
    comparison: str,
    *,
    hints: bool,
) -> None:
    query, result = head()
    parameters = {**result.provenance.parameters, "modality": modality, "comparison": comparison}
    variant = replace(result, provenance=replace(result.provenance, parameters=parameters))
    files = write_result(query, variant, tmp_path / "out", page=False)
    show_result(variant, files, None)
    assert (HINT in capsys.readouterr().out) is hints


def test_what_was_chosen_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query, result = head()
    parameters = {**result.provenance.parameters, "comparison": "window"}
    parameters["comparison_reason"] = "normal-1 is a CT"
    variant = replace(result, provenance=replace(result.provenance, parameters=parameters))
    files = write_result(query, variant, tmp_path / "out", page=False)
    show_result(variant, files, None)
    printed = " ".join(capsys.readouterr().out.split())
    assert "The window comparison was chosen automatically: normal-1 is a CT." in printed
