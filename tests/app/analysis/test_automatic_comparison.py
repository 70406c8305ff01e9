"""The comparison that the real server makes where nobody names one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monailabel_app.server_process import ServerProcess
from tests.app.http_client import Api

pytestmark = [pytest.mark.server, pytest.mark.slow]

SUPPORT = ["support-001", "support-002"]
CTS = ["ct-1", "ct-2"]


@pytest.fixture(scope="module")
def api(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server as an operator starts it, over brains in MR and the same as if they were CT."""
    folder = tmp_path_factory.mktemp("automatic")
    studies = folder / "studies"
    studies.mkdir()
    for name in (*SUPPORT, "lesion-001"):
        shutil.copy(cohort / "studies" / f"{name}.nii.gz", studies)
    for name, source in zip((*CTS, "ct-case"), (*SUPPORT, "lesion-001"), strict=True):
        image = nib.load(studies / f"{source}.nii.gz")
        voxels = image.get_fdata()
        hounsfield = np.where(voxels > 0, voxels / 10 + 20, -1000)
        nib.save(nib.Nifti1Image(hounsfield, image.affine), studies / f"{name}.nii.gz")
    with ServerProcess(studies, folder / "server.log") as running:
        yield Api(running.url)


def analysed(api: Api, image: str, support: list[str], **options: Any) -> Any:
    return api.get(f"/results/{api.analysed(image, support=support, options=options)}")


def test_brains_in_mr_get_the_learned_one_and_the_answer_says_so(api: Api) -> None:
    result = analysed(api, "lesion-001", SUPPORT)
    reason = "all normals are brains in MR"
    assert (result["comparison"], result["comparison_reason"]) == ("learned", reason)
    assert result["options"]["comparison"] == "auto"
    parameters = result["report"]["provenance"]["parameters"]
    assert (parameters["comparison"], parameters["comparison_reason"]) == ("learned", reason)

    auto = analysed(api, "lesion-001", SUPPORT, comparison="auto")
    assert auto["id"] == result["id"]
    matches = api.get(f"/results/{result['id']}/matches?ras_mm=0,0,20")
    assert [item["image"] for item in matches["items"]] == SUPPORT

    # What was made with the window is no answer to who leaves the choice, nor the other way round.
    window = analysed(api, "lesion-001", SUPPORT, comparison="window")
    assert (window["comparison"], window["comparison_reason"]) == ("window", None)
    assert window["id"] != result["id"]
    assert window["case_score"] != result["case_score"]
    assert analysed(api, "lesion-001", SUPPORT)["id"] == result["id"]
    (listed,) = [r for r in api.get("/results")["items"] if r["id"] == result["id"]]
    assert (listed["comparison"], listed["comparison_reason"]) == ("learned", reason)


def test_other_planes_and_ct_get_the_window(api: Api) -> None:
    coronal = analysed(api, "lesion-001", SUPPORT, planes=["coronal"])
    assert coronal["comparison"] == "window" and "coronal" in coronal["comparison_reason"]
    ct = analysed(api, "ct-case", CTS)
    assert (ct["comparison"], ct["comparison_reason"]) == ("window", "ct-1 is a CT")
