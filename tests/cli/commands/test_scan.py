"""`d24fad scan`: an archive on the command line."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core.cli.application import app

pytest.importorskip("ray")


def scan(studies: Path, checkpoint: Path, *more: str, names: str = "") -> Result:
    worklist = studies / "worklist.txt"
    worklist.write_text(names or "case.nii.gz\nmissing.nii.gz\n", encoding="utf-8")
    arguments = ["scan", worklist, "--support", studies / "normals", "--out", studies / "out"]
    arguments += ["--checkpoint", checkpoint, "--cache", studies / "cache", *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_an_archive_ends_as_a_table(studies: Path, untrained: Path) -> None:
    from d24fad_core.archive.rows import read_rows

    first = scan(studies, untrained, "--results")
    assert first.exit_code == 0, first.output
    assert "1 studies analysed, 1 failed, 0 done before" in first.output
    assert "Research use only" in first.output
    rows = {row.study: row for row in read_rows(studies / "out" / "rows")}
    assert rows["case.nii.gz"].case_score is not None
    assert rows["case.nii.gz"].normal_patients == 3
    assert "no such file" in rows["missing.nii.gz"].error
    results = studies / "out" / "results" / rows["case.nii.gz"].identifier
    assert {path.name for path in results.iterdir()} == {
        "heatmap.nii.gz",
        "mask.nii.gz",
        "report.json",
        "overlay.png",
        "report.html",
        "findings.nii.gz",
        "findings.csv",
    }
    # The page shows the nearest normal beside the study.
    assert 'id="normal-0"' in (results / "report.html").read_text(encoding="utf-8")
    overview = (studies / "out" / "index.html").read_text(encoding="utf-8")
    assert f"results/{results.name}/report.html" in overview
    assert overview.index(">case.nii.gz<") < overview.index(">missing.nii.gz<")
    assert "no such file" in overview and "Research use only" in overview

    # Not even read again while its date is that of before.
    dated = (studies / "case.nii.gz").stat()
    os.truncate(studies / "case.nii.gz", 0)
    os.utime(studies / "case.nii.gz", ns=(dated.st_atime_ns, dated.st_mtime_ns))
    again = scan(studies, untrained, names="case.nii.gz\n")
    assert "0 studies analysed, 0 failed, 1 done before" in again.output

    other = scan(studies, untrained, "--plane", "coronal")
    assert other.exit_code == 2
    assert "another model, support or options" in other.output


def test_a_faulty_worklist_or_support_ends_before_any_work(studies: Path, untrained: Path) -> None:
    twice = scan(studies, untrained, names="case.nii.gz\ncase.nii.gz\n")
    assert (twice.exit_code, "twice" in twice.output) == (2, True)
    (studies / "normals" / "normal-1.nii.gz").write_bytes(b"junk")
    damaged = scan(studies, untrained)
    assert (damaged.exit_code, "normal-1.nii.gz" in damaged.output) == (2, True)
