from pathlib import Path

import pytest

from tests.cli.small_studies import write_study


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder with case.nii.gz and three normal studies in normals/."""
    write_study(tmp_path / "case.nii.gz", seed=0, lesion=True)
    for number in (1, 2, 3):
        write_study(tmp_path / "normals" / f"normal-{number}.nii.gz", seed=number)
    return tmp_path
