import json
from pathlib import Path

import numpy as np
import pytest
from nibabel import load

from benchmarks.people import cohorts, running
from benchmarks.people.lesions.conspicuity import Lesions, is_clear
from benchmarks.people.pictures import draw_people
from benchmarks.people.planting import CASES_FILE, PATHOLOGY, PLAQUES, plan, plant, read_cases
from benchmarks.people.running import Settings, list_cases, run
from benchmarks.people.tables import collect, write_tables
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.simulation.template import average_brain
from tests.benchmarks.people.small_people import TINY, write_lesions, write_people


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two normals of six people, with heads and masks, nothing planted yet."""
    monkeypatch.setitem(cohorts.COHORTS, TINY.name, TINY)
    shared, masks = tmp_path / "shared", tmp_path / "masks"
    write_people(shared, masks)
    template = average_brain()
    write_lesions(shared, template.affine, template.grey_matter.shape)
    return Settings(TINY.name, 2, 1, shared, masks, tmp_path / "planted", tmp_path / "out")


def _plant(settings: Settings) -> None:
    folder = settings.planted / TINY.name
    plant(TINY, settings.draws, settings.shared, settings.masks, folder, settings.lesions)


def test_the_generators_take_turns() -> None:
    for number in range(3):
        generators = [generator for _, _, generator, _ in plan(cohorts.IXI, number)]
        assert {generators.count(PATHOLOGY), generators.count(PLAQUES)} == {5, 6}
    kinds = [kind for number in range(3) for *_, kind in plan(cohorts.IXI, number) if kind]
    assert len(set(kinds)) == 12


@pytest.mark.slow
def test_planted_cases_are_on_their_persons_grid_and_written_once(settings: Settings) -> None:
    _plant(settings)
    folder = settings.planted / TINY.name
    cases = read_cases(folder)
    assert {case.generator for case in cases} == {PATHOLOGY, PLAQUES}
    for case in cases:
        source = load(settings.shared / TINY.folder / f"{case.person}.nii.gz")
        image = load(folder / f"{case.case}.nii.gz")
        mask = np.asarray(load(folder / f"{case.case}-mask.nii.gz").dataobj) > 0
        assert (image.affine == source.affine).all()
        assert image.get_data_dtype() == source.get_data_dtype()
        changed = np.asarray(image.dataobj) != np.asarray(source.dataobj)
        brain = np.asarray(load(settings.masks / TINY.name / f"{case.person}.nii.gz").dataobj) > 0
        assert changed[mask].mean() > 0.9
        assert not changed[~brain].any()
        assert mask.sum() * 0.064 == pytest.approx(case.volume_ml, abs=1e-3)
        assert is_clear(case.lesions)
        numbered = np.asarray(load(folder / f"{case.case}-mask.nii.gz").dataobj)
        for lesion in case.lesions:
            volume = (numbered == lesion.lesion).sum() * 0.064
            assert volume == pytest.approx(lesion.volume_ml, abs=1e-3)
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}
    _plant(settings)
    assert times == {path: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}


@pytest.mark.slow
def test_a_run_writes_tables_and_pictures_and_is_not_repeated(settings: Settings) -> None:
    _plant(settings)
    run(settings, ["brightness"])
    path = write_tables(settings)
    text = path.read_text()
    assert "| brightness | 1 |" in text
    assert "| clear | brightness |" in text
    assert "2 normals, 2 untouched people and 2 with planted lesions (`--lesions clear`" in text
    document = json.loads(path.with_suffix(".json").read_text())
    assert 0 < document["results"][0]["mean"]["voxel_auroc"]["value"] <= 1
    picture = draw_people(settings, "brightness")
    assert picture is not None
    assert picture.stat().st_size > 10_000
    scored = sorted(settings.folder(0, "brightness").glob("*.npz"))
    assert len(scored) == 4
    times = [file.stat().st_mtime_ns for file in scored]
    scored[0].with_suffix(".json").unlink()
    assert collect(settings) == []
    run(settings, ["brightness"])
    again = [file.stat().st_mtime_ns for file in scored]
    assert again[0] > times[0]
    assert again[1:] == times[1:]


def test_cases_that_were_planted_otherwise_are_refused(settings: Settings) -> None:
    folder = settings.planted / TINY.name
    folder.mkdir(parents=True)
    former = {
        **{"case": "p0-draw0", "person": "p0", "draw": 0, "place": 3, "generator": PATHOLOGY},
        **{"kind": "mass", "volume_ml": 3.0, "contrast": 0.2},
    }
    (folder / CASES_FILE).write_text(json.dumps([former]))
    (case,) = read_cases(folder)
    assert (case.wanted, case.lesions) == (Lesions.ANY, ())
    assert read_cases(folder, Lesions.ANY) == [case]
    for refusal in (lambda: list_cases(settings, 0), lambda: _plant(settings)):
        with pytest.raises(InputError, match="give --lesions any, or another folder"):
            refusal()


def test_missing_planted_cases_are_named(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"benchmarks\.people\.planting .* --lesions clear"):
        list_cases(settings, 0)


def test_heads_without_masks_are_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="--masks"):
        plant(TINY, 1, settings.shared, None, settings.planted)


def test_real_cases_have_normals_of_their_own_contrast(tmp_path: Path) -> None:
    settings = Settings(running.REAL, 2, 1, tmp_path, None, tmp_path, tmp_path)
    cases = list_cases(settings, 0)
    assert [case.normals for case in cases] == ["FLAIR, draw 0"] * 3 + ["T1, draw 0"] * 2
    assert len({case.person for case in cases}) == 3
