"""Which comparison `d24fad detect` makes where nobody names one."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from d24fad_core.cli import app
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from tests.cli.fake_detector import FakeDetector

HEADS = SimulationOptions(contrast=Contrast.T1, spacing=(4.0, 4.0, 4.0), seed=31)


class DecodingDetector(FakeDetector):
    """With the shipped model, that is, and so with the choice."""

    has_own_model = False


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated brains: case.nii.gz, and two in normals/."""
    folder = tmp_path_factory.mktemp("brains")
    (folder / "normals").mkdir()
    for number, name in enumerate(("case", "normals/normal-1", "normals/normal-2")):
        image = simulate_subject(HEADS, Role.SUPPORT, number).image
        nib.save(nib.Nifti1Image(image.array, image.affine), folder / f"{name}.nii.gz")
    return folder


def compared(folder: Path, *more: Any, detector: FakeDetector | None = None) -> tuple[str, str]:
    """The comparison that a detector was asked for, and what the choice is said to be."""
    fake = detector or DecodingDetector()
    arguments = ["detect", folder / "case.nii.gz", "--support", folder / "normals"]
    arguments += ["--out", folder / "out", *more]
    run = CliRunner().invoke(app, [str(each) for each in arguments], obj=fake.load)
    assert run.exit_code == 0, run.output
    assert fake.options is not None and fake.options.comparison is not None
    return fake.options.comparison.value, fake.options.comparison_reason or ""


def test_brains_in_mr_get_the_learned_one(brains: Path) -> None:
    expected = ("learned", "all normals are brains in MR")
    assert compared(brains) == expected
    assert compared(brains, "--comparison", "auto", "--no-cache") == expected
    assert compared(brains, "--brain", "none") == expected


def test_all_else_gets_the_window(studies: Path) -> None:
    kind, reason = compared(studies)
    assert kind == "window"
    assert reason.startswith("normal-1 is not seen to be a brain alone")
    assert compared(studies, "--modality", "CT") == ("window", "normal-1 is a CT")


def test_what_the_window_alone_serves_keeps_it(brains: Path) -> None:
    kind, reason = compared(brains, "--plane", "coronal")
    assert kind == "window" and "coronal" in reason
    kind, reason = compared(brains, detector=FakeDetector())
    assert kind == "window" and "model" in reason


@pytest.mark.parametrize("kind", [kind.value for kind in ComparisonKind])
def test_a_comparison_that_is_named_is_made(brains: Path, studies: Path, kind: str) -> None:
    config = studies / "study.toml"
    config.write_text(f'comparison = "{kind}"')
    for folder in (brains, studies):
        assert compared(folder, "--comparison", kind) == (kind, "")
    assert compared(brains, "--config", config) == (kind, "")
    assert compared(brains, "--config", config, "--comparison", "auto")[1] != ""


def test_a_case_whose_mask_leaves_no_brain_gets_the_window(brains: Path, tmp_path: Path) -> None:
    case = nib.load(brains / "case.nii.gz")
    inside = (case.get_fdata() > 0).astype(np.uint8)
    whole = tmp_path / "whole.nii.gz"
    nib.save(nib.Nifti1Image(inside, case.affine), whole)
    assert compared(brains, "--mask", whole)[0] == "learned"
    inside[: inside.shape[0] // 2] = 0
    half = tmp_path / "half.nii.gz"
    nib.save(nib.Nifti1Image(inside, case.affine), half)
    kind, reason = compared(brains, "--mask", half)
    assert kind == "window" and reason.startswith("case is ")


def test_contrasts_share_one_comparison(brains: Path, studies: Path, tmp_path: Path) -> None:
    """One that shows no brain decides for all."""
    arguments = ["detect", "--image", f"t1={brains / 'case.nii.gz'}"]
    arguments += ["--image", f"t2={studies / 'case.nii.gz'}", "--support", tmp_path / "people"]
    for number in (1, 2):
        person = tmp_path / "people" / f"person-{number}"
        person.mkdir(parents=True)
        for contrast, folder in (("t1", brains), ("t2", studies)):
            scan = nib.load(folder / "normals" / f"normal-{number}.nii.gz")
            nib.save(scan, person / f"{contrast}.nii.gz")
    kinds: list[ComparisonKind | None] = []

    class StopError(Exception):
        pass

    class Asked(DecodingDetector):
        def prepare_support(self, studies: Any, options: Any, progress: Any) -> Any:
            kinds.append(options.comparison)
            raise StopError

    arguments += ["--out", tmp_path / "out"]
    run = CliRunner().invoke(app, [str(each) for each in arguments], obj=Asked().load)
    assert isinstance(run.exception, StopError), run.output
    assert kinds == [ComparisonKind.WINDOW]
