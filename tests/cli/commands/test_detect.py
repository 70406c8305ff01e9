import json
import resource
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.export import REPORT_SCHEMA
from d24fad_core.io.known_studies import KnownStudy
from d24fad_core.volumes.preprocessing import CT_WINDOWS
from d24fad_core.volumes.volume import Modality, Plane, Volume
from tests.cli.fake_detector import FakeDetector
from tests.cli.small_studies import write_study

OUTPUTS = {
    "heatmap.nii.gz",
    "mask.nii.gz",
    "findings.nii.gz",
    "findings.csv",
    "report.json",
    "overlay.png",
    "report.html",
}


def detect(folder: Path, *more: str | Path, detector: FakeDetector | None = None) -> Result:
    """Run `d24fad detect` on the case of a folder; the detector is fake, all else is real."""
    arguments = ["detect", folder / "case.nii.gz", "--out", folder / "out", *more]
    if "--support" not in more:
        arguments += ["--support", folder / "normals"]
    fake = detector or FakeDetector()
    return CliRunner().invoke(app, [str(argument) for argument in arguments], obj=fake.load)


def report(run: Result) -> dict[str, Any]:
    document = json.loads(run.stdout)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert isinstance(document, dict)
    return document


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_detect_writes_its_files_and_tells_the_findings(studies: Path) -> None:
    run = detect(studies)
    assert run.exit_code == 0, run.output
    assert set(contents(studies / "out")) == OUTPUTS
    assert run.stderr == ""

    image = nib.load(studies / "out" / "mask.nii.gz")
    assert image.shape == (24, 26, 12)
    np.testing.assert_allclose(image.affine, nib.load(studies / "case.nii.gz").affine, atol=1e-4)
    assert image.get_fdata().sum() == 4 * 4 * 3

    # 48 voxels of 12 cubic mm around voxel (15.5, 9.5, 6)
    assert "0.58" in run.stdout and "11.0, -11.0, 23.0" in run.stdout and "5-7" in run.stdout
    assert "p = 0.250 against 3 normal patients" in run.stdout
    assert RESEARCH_USE_ONLY in run.stdout
    for name in OUTPUTS:
        assert str(studies / "out" / name) in run.stdout


def test_a_label_map_names_where_findings_are(studies: Path) -> None:
    case = nib.load(studies / "case.nii.gz")
    labels = np.full(case.shape, 3, np.uint8)
    labels[0] = 0
    nib.save(nib.Nifti1Image(labels, case.affine), studies / "organs.nii.gz")
    (studies / "organs.json").write_text('{"3": "kidney_left"}')
    run = detect(studies, "--regions", studies / "organs.nii.gz", "--json")
    assert run.exit_code == 0, run.output
    place = report(run)["findings"][0]["place"]
    assert (place["side"], place["region"], place["atlas"]) == ("left", "kidney", "organs")
    assert "left kidney" in (studies / "out" / "findings.csv").read_text()
    result = detect(studies, "--regions", studies / "organs.nii.gz")
    assert "left kidney" in result.stdout
    assert "left kidney" not in detect(studies).stdout


@pytest.mark.parametrize("how", [(), ("--quiet",), ("--json",)], ids=["plain", "quiet", "json"])
def test_what_makes_a_result_doubtful_is_said_whatever_is_printed(
    studies: Path, how: tuple[str, ...]
) -> None:
    warnings = (
        AnalysisWarning(WarningCode.OTHER_SIZE, "The body is large.", "Check the voxel size."),
        AnalysisWarning(WarningCode.CASE_IN_SUPPORT, "It is normal-1.", "Leave normal-1 out."),
    )
    run = detect(studies, *how, detector=FakeDetector(warnings=warnings))
    assert run.exit_code == 0, run.output
    assert run.stderr.splitlines() == [
        "warning: The body is large. Check the voxel size.",
        "warning: It is normal-1. Leave normal-1 out.",
    ]
    document = json.loads((studies / "out" / "report.json").read_text())
    assert [warning["code"] for warning in document["warnings"]] == [
        "other_size",
        "case_in_support",
    ]
    if how == ("--json",):
        assert report(run)["warnings"] == document["warnings"]


def test_a_normal_case_is_told_so(studies: Path) -> None:
    write_study(studies / "case.nii.gz", seed=9)
    run = detect(studies, "--threshold", "6")
    assert run.exit_code == 0, run.output
    assert "No finding above 6.00 z." in run.stdout


def test_a_long_list_of_findings_is_cut_and_it_is_said(studies: Path) -> None:
    run = detect(studies, "--threshold", "1.2", "--minimum-volume", "0")
    count = len(json.loads((studies / "out" / "report.json").read_text())["findings"])
    assert count > 20
    assert f"and {count - 20} more in report.json" in run.stdout


def test_json_puts_the_report_and_nothing_else_on_stdout(studies: Path) -> None:
    run = detect(studies, "--json")
    document = json.loads(run.stdout)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert len(document["findings"]) == 1
    assert set(contents(studies / "out")) == OUTPUTS


def test_quiet_says_nothing(studies: Path) -> None:
    run = detect(studies, "--quiet")
    assert run.exit_code == 0
    assert run.output == ""


def test_options_reach_the_detector(studies: Path) -> None:
    fake = FakeDetector()
    (studies / "model").mkdir()
    more: list[str | Path] = ["--plane", "sagittal", "--plane", "axial", "--window", "lung"]
    more += ["--threshold", "3.5", "--minimum-volume", "0.3", "--no-register", "--modality", "ct"]
    more += ["--checkpoint", studies / "model", "--cache", studies / "kept", "--device", "cuda:1"]
    run = detect(studies, *more, detector=fake)
    assert run.exit_code == 0, run.output

    options: Any = fake.options
    assert options.planes == (Plane.SAGITTAL, Plane.AXIAL)
    assert (options.ct_window, options.threshold, options.minimum_volume_ml) == ("lung", 3.5, 0.3)
    assert options.register is False
    assert fake.checkpoint == studies / "model"
    assert fake.cache_folder == studies / "kept"
    assert fake.device == "cuda:1"
    assert {study.modality for study in fake.studies} == {Modality.CT}


def test_the_page_can_be_left_out(studies: Path) -> None:
    run = detect(studies, "--no-html")
    assert run.exit_code == 0, run.output
    assert set(contents(studies / "out")) == OUTPUTS - {"report.html"}
    assert "report.html" not in run.stdout


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((), ComparisonKind.WINDOW),
        (("--translate",), ComparisonKind.TRANSLATED),
        (("--comparison", "window"), ComparisonKind.WINDOW),
    ],
)
def test_studies_are_compared_as_is_said(
    studies: Path, more: tuple[str, ...], expected: ComparisonKind | None
) -> None:
    fake = FakeDetector()
    run = detect(studies, *more, detector=fake)
    assert run.exit_code == 0, run.output
    assert fake.options is not None and fake.options.comparison is expected


def test_features_are_kept_in_the_cache_of_the_user_unless_told_otherwise(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(studies / "user-cache"))
    fake = FakeDetector()
    detect(studies, detector=fake)
    assert fake.cache_folder == studies / "user-cache" / "d24fad"
    detect(studies, "--no-cache", detector=fake)
    assert fake.cache_folder is None


def test_a_support_study_is_read_once_unless_nothing_may_be_kept(studies: Path) -> None:
    kinds, hashes = [], []
    for more in (("--no-cache",), ("--cache", studies / "kept"), ("--cache", studies / "kept")):
        fake = FakeDetector()
        run = detect(studies, *more, detector=fake)
        assert run.exit_code == 0, run.output
        kinds.append({type(study) for study in fake.studies})
        hashes.append([(study.name, study.content_hash) for study in fake.studies])
    assert kinds == [{Volume}, {Volume}, {KnownStudy}]
    assert hashes[0] == hashes[1] == hashes[2]


def test_support_studies_can_be_named_one_by_one_and_by_folder(studies: Path) -> None:
    write_study(studies / "more" / "a.nii.gz", seed=7)
    fake = FakeDetector()
    more = ["--support", studies / "normals" / "normal-2.nii.gz", "--support", studies / "more"]
    run = detect(studies, *more, detector=fake)
    assert run.exit_code == 0, run.output
    assert [study.name for study in fake.studies] == ["normal-2", "a"]


def test_the_case_itself_is_left_out_of_the_support_and_it_is_said(studies: Path) -> None:
    (studies / "normals" / "under-another-name.nii.gz").write_bytes(
        (studies / "case.nii.gz").read_bytes()
    )
    fake = FakeDetector()
    run = detect(studies, detector=fake)
    assert run.exit_code == 0
    assert [study.name for study in fake.studies] == ["normal-1", "normal-2", "normal-3"]
    assert run.stderr.startswith("warning: ") and run.stderr.count("\n") == 1
    assert "under-another-name" in run.stderr and "is the case itself" in run.stderr


def test_a_copy_does_not_count_as_another_patient(studies: Path) -> None:
    first, second = studies / "normals" / "normal-1.nii.gz", studies / "normals" / "z.nii.gz"
    second.write_bytes(first.read_bytes())
    fake = FakeDetector()
    run = detect(studies, detector=fake)
    assert len(fake.studies) == 3
    assert "z.nii.gz is a copy of 'normal-1'" in run.stderr


def test_too_few_supports_without_the_case_and_copies_are_refused(studies: Path) -> None:
    case = studies / "case.nii.gz"
    write_study(studies / "few" / "normal.nii.gz", seed=1)
    (studies / "few" / "case.nii.gz").write_bytes(case.read_bytes())
    run = detect(studies, "--support", studies / "few")
    assert run.exit_code == 2
    assert run.stderr.splitlines()[-1].startswith(
        "error: of 2 support studies 1 had to be left out"
    )


def test_a_file_without_orientation_is_warned_of_in_one_line(studies: Path) -> None:
    image = nib.load(studies / "case.nii.gz")
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, studies / "case.nii.gz")
    run = detect(studies)
    assert run.exit_code == 0
    assert run.stderr.startswith("warning: case.nii.gz:") and run.stderr.count("\n") == 1


def test_a_scan_above_the_limit_is_reduced_and_it_is_said(studies: Path) -> None:
    (whole,) = report(detect(studies, "--json"))["findings"]
    fake = FakeDetector()
    run = detect(studies, "--json", "--reduce-above", "7000", detector=fake)
    assert run.exit_code == 0, run.output
    lines = run.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("warning: ") for line in lines)
    assert "case.nii.gz has 24 x 26 x 12 voxels; blocks of 3 x 2 x 2 were averaged" in lines[0]
    assert {study.shape for study in fake.studies} == {(8, 13, 6)}

    source = nib.load(studies / "case.nii.gz")
    document = report(run)
    assert document["geometry"]["shape"] == [24, 26, 12]
    (finding,) = document["findings"]
    np.testing.assert_allclose(finding["centroid_ras_mm"], whole["centroid_ras_mm"], atol=6.0)
    for name in ("heatmap.nii.gz", "mask.nii.gz"):
        image = nib.load(studies / "out" / name)
        assert image.shape == source.shape
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-4)
    voxel_ml = 12 / 1000
    assert finding["volume_ml"] == pytest.approx(image.get_fdata().sum() * voxel_ml)


def test_the_table_counts_slices_of_the_source(studies: Path) -> None:
    run = detect(studies, "--reduce-above", "7000")
    document = json.loads((studies / "out" / "report.json").read_text())
    first, last = document["findings"][0]["slice_range"]
    assert f"{first}-{last}" in run.stdout and (first, last) == (4, 7)


def test_a_reduced_case_among_the_support_is_found_out(studies: Path) -> None:
    (studies / "normals" / "again.nii.gz").write_bytes((studies / "case.nii.gz").read_bytes())
    run = detect(studies, "--reduce-above", "7000")
    assert "is the case itself" in run.stderr


def test_a_disk_that_fills_up_leaves_the_earlier_result(studies: Path) -> None:
    assert detect(studies).exit_code == 0
    before = contents(studies / "out")
    write_study(studies / "case.nii.gz", seed=5, lesion=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        run = detect(studies)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.exit_code == 1
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert contents(studies / "out") == before


def test_help_names_every_window() -> None:
    text = CliRunner().invoke(app, ["detect", "--help"], env={"COLUMNS": "300"}).stdout
    assert [name for name in CT_WINDOWS if name not in text] == []


def write_mask(path: Path, inside: np.ndarray, like: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), nib.load(like).affine), path)
    return path


def test_mask_files_restrict_the_case_and_its_normals(studies: Path) -> None:
    inside = np.zeros((24, 26, 12), bool)
    inside[3:16, 3:23, 1:11] = True
    normals = sorted((studies / "normals").iterdir())
    for normal in normals:
        write_mask(studies / "masks" / normal.name, inside, normal)
    mask = write_mask(studies / "case-mask.nii.gz", inside, studies / "case.nii.gz")
    fake = FakeDetector()
    more: list[str | Path] = ["--mask", mask, "--support-mask", studies / "masks"]
    run = detect(studies, *more, detector=fake)
    assert run.exit_code == 0, run.output
    assert all((study.array[16:] == study.array.min()).all() for study in fake.studies)
    # The lesion begins at voxel 14: half of it is left.
    assert nib.load(studies / "out" / "mask.nii.gz").get_fdata().sum() == 2 * 4 * 3


def test_a_mask_on_another_grid_is_refused_and_nothing_written(studies: Path) -> None:
    inside = np.ones((24, 26, 11), bool)
    inside[0] = False
    mask = write_mask(studies / "m.nii.gz", inside, studies / "case.nii.gz")
    run = detect(studies, "--mask", mask)
    assert run.exit_code == 2
    assert "24 x 26 x 11 voxels is not on the grid of case" in run.stderr
    assert not (studies / "out").exists()


def test_a_normal_without_a_mask_is_named(studies: Path) -> None:
    (studies / "masks").mkdir()
    run = detect(studies, "--support-mask", studies / "masks")
    assert run.exit_code == 2
    assert "no mask of" in run.stderr and "-mask.nii.gz" in run.stderr


class CountingDetector(FakeDetector):
    """Counts how often the model is loaded and normals are prepared."""

    loaded = prepared = 0

    def load(self, *arguments: Any, **options: Any) -> "FakeDetector":
        self.loaded += 1
        return super().load(*arguments, **options)

    def prepare_support(self, *arguments: Any) -> list[Volume]:
        self.prepared += 1
        return super().prepare_support(*arguments)


def test_several_cases_share_the_normals_and_get_a_folder_each(studies: Path) -> None:
    second = studies / "second.nii.gz"
    write_study(second, seed=5)
    fake = CountingDetector()
    run = detect(studies, second, "--json", detector=fake)
    assert run.exit_code == 0, run.output
    assert (fake.loaded, fake.prepared) == (1, 1)
    assert sorted(path.name for path in (studies / "out").iterdir()) == ["case", "second"]
    assert set(contents(studies / "out" / "case")) == OUTPUTS
    first, other = json.loads(run.stdout)
    jsonschema.validate(first, REPORT_SCHEMA)
    assert [each["provenance"]["query_name"] for each in (first, other)] == ["case", "second"]
    assert (len(first["findings"]), len(other["findings"])) == (1, 0)


def test_a_case_among_the_normals_is_compared_with_the_others(studies: Path) -> None:
    fake = CountingDetector()
    run = detect(studies, studies / "normals" / "normal-1.nii.gz", detector=fake)
    assert run.exit_code == 0, run.output
    assert fake.prepared == 2
    assert [study.name for study in fake.studies] == ["normal-2", "normal-3"]


def test_a_case_that_cannot_be_read_does_not_stop_the_others(studies: Path) -> None:
    broken, last = studies / "broken.nii.gz", studies / "last.nii.gz"
    broken.write_bytes(b"junk")
    write_study(last, seed=6)
    run = detect(studies, broken, last)
    assert run.exit_code == 2
    assert "error: " in run.stderr and "broken.nii.gz" in run.stderr
    assert "1 of 3 studies could not be analysed" in run.stderr
    assert {path.name for path in (studies / "out").iterdir()} == {"case", "last"}


def test_what_is_of_one_case_is_refused_for_several(studies: Path) -> None:
    second = studies / "second.nii.gz"
    write_study(second, seed=5)
    run = detect(studies, second, "--mask", studies / "case.nii.gz")
    assert (run.exit_code, "--mask is of one study" in run.stderr) == (2, True)
    same = studies / "elsewhere" / "case.nii.gz"
    write_study(same, seed=5)
    twice = detect(studies, same)
    assert (twice.exit_code, "2 studies are called case" in twice.stderr) == (2, True)
    assert not (studies / "out").exists()


def test_options_come_from_a_file_and_the_command_line_wins(studies: Path) -> None:
    config = studies / "study.toml"
    config.write_text(
        'plane = ["sagittal", "axial"]\nthreshold = 3.5\nregister = false\nwindow = "lung"\n'
        f'no-cache = true\nquiet = true\nsupport = "{studies / "normals"}"\n'
    )
    fake = FakeDetector()
    arguments = ["detect", studies / "case.nii.gz", "--out", studies / "out", "--config", config]
    arguments += ["--window", "bone"]
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], obj=fake.load)
    assert (run.exit_code, run.output) == (0, "")
    options: Any = fake.options
    assert options.planes == (Plane.SAGITTAL, Plane.AXIAL)
    assert (options.threshold, options.register, options.ct_window) == (3.5, False, "bone")
    assert fake.cache_folder is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("treshold = 3", "treshold is no option of detect"),
        ("config = 'x'", "config is no option"),
        ("images = ['x']", "images is no option"),
        ("threshold = [3, 4]", "is not one value"),
        ("threshold =", "cannot be read as TOML"),
    ],
)
def test_a_faulty_file_of_options_is_refused(studies: Path, text: str, words: str) -> None:
    (studies / "study.toml").write_text(text)
    run = detect(studies, "--config", studies / "study.toml")
    assert run.exit_code == 2
    assert words in run.stderr and run.stderr.count("\n") == 1
    assert not (studies / "out").exists()


def test_a_value_of_the_wrong_kind_in_a_file_is_refused(studies: Path) -> None:
    (studies / "study.toml").write_text("threshold = 'high'")
    run = detect(studies, "--config", studies / "study.toml")
    assert run.exit_code == 2
    assert "'--threshold'" in run.stderr
    assert not (studies / "out").exists()


def test_verbose_says_each_step(studies: Path) -> None:
    run = detect(studies, "--verbose")
    assert run.exit_code == 0, run.output
    lines = run.stderr.splitlines()
    assert any(line.startswith("support") and "features" in line for line in lines)
    assert any(line.startswith("study") and "scores" in line for line in lines)
    both = detect(studies, "--verbose", "--quiet")
    assert (both.exit_code, "contradict" in both.stderr) == (2, True)


def test_auto_takes_a_gpu_where_there_is_one(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for available, device in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr("torch.cuda.is_available", lambda available=available: available)
        fake = FakeDetector()
        assert detect(studies, "--device", "auto", detector=fake).exit_code == 0
        assert fake.device == device
