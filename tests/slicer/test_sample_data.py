"""The simulated heads that the extension ships: registered, small, and what the simulator makes."""

from __future__ import annotations

import hashlib
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlretrieve

import numpy as np
import pytest
from D24FADSlicerLib.logic.volume_file import read_nifti
from places import MODULE

SAMPLES = MODULE / "Resources" / "SampleData"
MEGABYTE = 1_000_000


class SampleDataLogic:
    """The part of Slicer's own that modules call, with its arguments."""

    sources: list[dict[str, Any]] = []  # noqa: RUF012

    @staticmethod
    def registerCustomSampleDataSource(  # noqa: N802
        category: str | None = None,
        sampleName: str | None = None,  # noqa: N803
        uris: Any = None,
        fileNames: Any = None,  # noqa: N803
        nodeNames: Any = None,  # noqa: N803
        customDownloader: Callable[..., Any] | None = None,  # noqa: N803
        thumbnailFileName: str | None = None,  # noqa: N803
        loadFileType: Any = None,  # noqa: N803
        loadFiles: Any = None,  # noqa: N803
        loadFileProperties: Any = None,  # noqa: N803
        checksums: Any = None,
    ) -> None:
        SampleDataLogic.sources.append(dict(locals()))


@pytest.fixture
def sources(qt: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the module registers when Slicer has started."""
    import slicer

    stand_in = types.ModuleType("SampleData")
    stand_in.SampleDataLogic = SampleDataLogic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "SampleData", stand_in)
    SampleDataLogic.sources = []
    parent = types.SimpleNamespace(path=str(MODULE / "D24FADSlicer.py"))
    importlib.import_module("D24FADSlicer").D24FADSlicer(parent)
    assert not SampleDataLogic.sources, "other modules may not be there before"
    slicer.app.complete_startup()
    return SampleDataLogic.sources


def test_every_shipped_head_is_registered(sources: list[dict[str, Any]]) -> None:
    names = [name for source in sources for name in source["fileNames"]]
    assert sorted(names) == sorted(path.name for path in SAMPLES.iterdir())
    for source in sources:
        lengths = {len(source[key]) for key in ("uris", "fileNames", "nodeNames", "checksums")}
        assert len(lengths) == 1
        assert Path(source["thumbnailFileName"]).is_file()
        assert source["category"] == "Few-shot anomaly detection"


def test_a_sample_is_fetched_checked_and_loaded(
    sources: list[dict[str, Any]], tmp_path: Path
) -> None:
    """As Slicer's module does it: by urlretrieve, with the checksum."""
    import slicer

    for source in sources:
        for uri, name, node_name, checksum in zip(
            source["uris"],
            source["fileNames"],
            source["nodeNames"],
            source["checksums"],
            strict=True,
        ):
            path = tmp_path / name
            urlretrieve(uri, path)
            algorithm, digest = checksum.split(":")
            assert hashlib.new(algorithm, path.read_bytes()).hexdigest() == digest
            node = slicer.util.loadVolume(str(path), {"name": node_name})
            assert node.GetImageData().GetDimensions() == read_nifti(path).array.shape[::-1]


def test_the_samples_are_small_enough_for_a_repository() -> None:
    sizes = [path.stat().st_size for path in SAMPLES.iterdir()]
    assert len(sizes) == 4
    assert sum(sizes) < 3 * MEGABYTE


def test_the_samples_tell_nothing_of_a_person() -> None:
    """Nothing but voxels and geometry: the header's texts are empty or the simulator's."""
    import gzip

    for path in SAMPLES.iterdir():
        header = gzip.decompress(path.read_bytes())[:352]
        texts = (header[4:14], header[14:32], header[148:228], header[228:252])
        assert not b"".join(texts).strip(b"\0"), path.name


@pytest.mark.slow
def test_the_samples_are_what_the_simulator_makes(tmp_path: Path) -> None:
    """The recipe: three normals and a case with a lesion, voxels of 3 mm, the simulator's seed."""
    from d24fad_core.simulation import SimulationOptions, simulate_cohort

    options = SimulationOptions(support=3, normals=1, lesions=1, spacing=(3.0, 3.0, 3.0))
    simulate_cohort(tmp_path, options)
    made = {"SimulatedHead.nii.gz": tmp_path / "cases" / "lesion-001.nii.gz"}
    for number in (1, 2, 3):
        name = f"SimulatedNormalHead{number}.nii.gz"
        made[name] = tmp_path / "support" / f"support-00{number}.nii.gz"
    for name, path in made.items():
        shipped, simulated = read_nifti(SAMPLES / name), read_nifti(path)
        np.testing.assert_allclose(shipped.affine, simulated.affine, atol=1e-5)
        np.testing.assert_allclose(shipped.array, simulated.array, atol=1.0)
