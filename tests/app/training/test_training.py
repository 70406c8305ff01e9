"""Training on confirmed normals, for real: judged, served, brought back, cancelled, killed."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from monailabel.client import MONAILabelClient

from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import RESULT_SCHEMA
from d24fad_core.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.simulation import SimulationOptions, simulate_cohort
from monailabel_app.server_process import ServerProcess
from monailabel_app.store import schema
from monailabel_app.store.database import connect
from tests.app.http_client import Api
from tests.training.small_run import BY_POSITION

pytestmark = [pytest.mark.server, pytest.mark.slow]

NORMALS = [f"normal-{number:03d}" for number in range(1, 7)]
SHORT = {"epochs": 2, "steps": 15, "learning_rate": 3e-3}
# The student alone decides, so that what it learns shows in the scores.
STUDENT_ALONE = ScoringConfig(
    fusion=dict.fromkeys(MapKind, (0.0, 0.0, 0.0)) | {MapKind.TEACHER_STUDENT: (0.0, 1.0, 1.0)}
)
LONG = {"epochs": 1000, "steps": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint whose student knows nothing yet, and small heads."""
    folder = tmp_path_factory.mktemp("training")
    torch.manual_seed(6)
    model = D24FAD(BY_POSITION, build_teacher(BY_POSITION.teacher))
    card = ModelCard("small", BY_POSITION, 64, STUDENT_ALONE.to_dict())
    save_checkpoint(model, card, folder / "checkpoint")
    simulate_cohort(
        folder, SimulationOptions(support=3, normals=6, lesions=1, spacing=(6.0, 6.0, 6.0))
    )
    studies = folder / "studies"
    studies.mkdir()
    for part in ("support", "cases"):
        for study in (folder / part).iterdir():
            shutil.copy(study, studies)
    return folder


def server_of(folder: Path, log: str) -> ServerProcess:
    conf = {"checkpoint": str(folder / "checkpoint")}
    return ServerProcess(folder / "studies", folder / log, conf)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[ServerProcess]:
    with server_of(folder, "first.log") as server:
        yield server


@pytest.fixture
def api(running: ServerProcess) -> Api:
    return Api(running.url)


def confirm(api: Api, image: str) -> None:
    """Review a study as a radiologist does who finds nothing in it."""
    result = api.analysed(image)
    review = f"/results/{result}/review"
    for finding in api.get(review)["findings"]:
        event = {"action": "reject", "finding": finding["finding"], "reviewer": "AB"}
        api.post(f"{review}/events", event)
    seen = {"reviewer": "AB", "expected_version": api.get(review)["version"]}
    api.put(f"{review}/final", json=seen)


def train(api: Api, options: dict[str, Any]) -> Any:
    return api.post("/jobs", {"kind": "train", "options": options}, 202)


def wait_for(condition: Callable[[], object], seconds: float = 900.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)


def training_processes(folder: Path) -> list[int]:
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"monailabel_app.training" in command and str(folder).encode() in command[-2]:
            lines.append(int(entry.name))
    return lines


def test_too_few_normals_are_refused(api: Api) -> None:
    confirm(api, NORMALS[0])
    refusal = api.post("/jobs", {"kind": "train"}, 409)["error"]
    assert refusal["code"] == "too_few_normals"
    assert "1 normal patients" in refusal["message"] and "training needs 6" in refusal["message"]
    assert "Confirm 5 more" in refusal["remedy"]


def test_scores_of_another_schema_do_not_calibrate(api: Api, folder: Path) -> None:
    assert api.get("/calibration")["normal_patients"] == 1
    own, other = f'"schema": {RESULT_SCHEMA}', f'"schema": {RESULT_SCHEMA - 1}'
    with closing(connect(folder / "studies" / ".d24fad" / "state.sqlite3")) as connection:
        ((key, text),) = connection.execute("SELECT key, document FROM results").fetchall()
        assert own in text
        schema.insert(connection, schema.RESULTS, key, text.replace(own, other))
        assert api.get("/calibration")["normal_patients"] == 0
        schema.insert(connection, schema.RESULTS, key, text)


@pytest.mark.parametrize(
    "options",
    [{"epochs": 0}, {"steps": "many"}, {"learning_rate": -1}, {"ct_window": "x"}, {"seed": True}],
)
def test_wrong_options_are_refused(api: Api, options: dict[str, Any]) -> None:
    refusal = api.post("/jobs", {"kind": "train", "options": options}, 400)["error"]
    assert refusal["code"] == "bad_request"


def test_a_training_is_judged_served_and_taken_back(
    api: Api, running: ServerProcess, folder: Path
) -> None:
    for image in NORMALS:
        confirm(api, image)
    before = api.get("/")["checkpoint"]["hash"]
    old_result = api.analysed("lesion-001")
    assert api.get("/calibration")["normal_patients"] == 6

    client = MONAILabelClient(running.url)
    job = client.train_start("anomaly", SHORT)
    assert job["kind"] == "train" and len(job["images"]) == 3 and len(job["held_out"]) == 3
    assert client.train_status(check_if_running=True) is True
    assert client.train_status()["id"] == job["id"]
    fractions, steps = [], set()
    while job["finished"] is None:
        job = api.get(f"/jobs/{job['id']}?wait=20&after={job['version']}")
        fractions.append(job["fraction"])
        steps.add(job["step"])
    assert job["state"] == "done", job
    assert fractions == sorted(fractions)
    assert {"Training, epoch 1 of 2", "Judging by held-out normals"} <= steps

    trained = api.get(job["links"]["result"].removeprefix("/d24fad/v1"))
    verdict = trained["verdict"]
    # The student knew nothing before, so anything that it learns makes it better.
    assert verdict["accepted"] and trained["served"], verdict
    assert trained["continued_from"] == before
    assert "held-out normal patients" in verdict["statement"]
    assert api.get("/")["checkpoint"]["hash"] == trained["hash"] != before

    # A result says which checkpoint made it, and calibration begins anew with the new one.
    assert api.get(f"/results/{old_result}")["checkpoint_hash"] == before
    new_result = api.analysed("lesion-001")
    assert api.get(f"/results/{new_result}")["checkpoint_hash"] == trained["hash"]
    assert api.get("/calibration")["checkpoint_hash"] == trained["hash"]
    wait_for(lambda: api.get("/calibration")["normal_patients"] == 6)
    # What the former checkpoint said of the support studies does not count any more.
    wait_for(lambda: api.get("/support-sets/default")["quality"]["state"] == "checked")
    with closing(connect(folder / "studies" / ".d24fad" / "state.sqlite3")) as connection:
        ((quality,),) = connection.execute("SELECT document FROM set_quality").fetchall()
    assert json.loads(quality)["checkpoint_hash"] == trained["hash"]

    _, card = load_checkpoint(folder / "studies" / ".d24fad" / "checkpoints" / trained["hash"])
    assert len(card.training["learned_from"]) == 3
    assert card.training["continued_from"]["checkpoint_hash"] == before
    assert card.metrics["held_out_normals"]["accepted"]

    # Patients that were learned from judge no later checkpoint: the other three must again.
    again = train(api, LONG)
    assert set(again["held_out"]) == set(job["held_out"])
    client.train_stop()
    assert api.finished(again)["state"] == "cancelled"

    listed = api.get("/checkpoints")["items"]
    assert [(item["hash"], item["served"]) for item in listed] == [
        (before, False),
        (trained["hash"], True),
    ]
    back = api.put("/checkpoints/served", json={"hash": before})
    assert back["served"]
    assert api.get("/")["checkpoint"]["hash"] == before
    assert api.analysed("lesion-001") == old_result
    unknown = api.put("/checkpoints/served", 404, json={"hash": "f" * 64})
    assert unknown["error"]["code"] == "unknown_checkpoint"


def test_a_cancelled_training_changes_nothing(api: Api, folder: Path) -> None:
    before = api.get("/")["checkpoint"]["hash"]
    job = train(api, LONG)
    wait_for(lambda: "epoch" in api.get(f"/jobs/{job['id']}")["step"])
    assert training_processes(folder)
    # People and training do not wait for each other.
    assert api.analysed("lesion-001", options={"threshold": 9.0})
    api.ask("DELETE", f"/jobs/{job['id']}", 200)
    assert api.finished(job)["state"] == "cancelled"
    assert training_processes(folder) == []
    assert api.get("/")["checkpoint"]["hash"] == before
    assert list((folder / "studies" / ".d24fad" / "training").iterdir()) == []


def test_a_training_goes_on_after_kill_9_and_a_spoilt_student_is_not_served(
    api: Api, folder: Path
) -> None:
    state = folder / "studies" / ".d24fad"
    (served,) = [c["hash"] for c in api.get("/checkpoints")["items"] if c["continued_from"]]
    api.put("/checkpoints/served", json={"hash": served})
    epochs = 12  # so many that the last is not done before the kill
    job = train(api, {"epochs": epochs, "steps": 5, "learning_rate": 1.0})
    run = state / "training" / job["id"] / "run"
    wait_for((run / "training_state.pt").is_file)
    (process,) = training_processes(folder)
    status = Path(f"/proc/{process}/status").read_text()
    os.kill(int(status.partition("PPid:")[2].split()[0]), signal.SIGKILL)
    wait_for(lambda: training_processes(folder) == [])
    done = torch.load(run / "training_state.pt", weights_only=True)["epoch"]
    assert 1 <= done < epochs
    assert not (run / "checkpoint").exists()

    with server_of(folder, "second.log") as second:
        again = Api(second.url)
        finished = again.finished(again.get(f"/jobs/{job['id']}"))
        assert finished["state"] == "done", finished
        spoilt = again.get(f"/checkpoints/{finished['result']}")
        assert not spoilt["verdict"]["accepted"], spoilt
        assert spoilt["verdict"]["statement"].endswith("the served checkpoint stays.")
        assert not spoilt["served"] and not spoilt["kept"]
        again.put("/checkpoints/served", 404, json={"hash": spoilt["hash"]})
        # What somebody chose before the kill is what is served after it.
        assert again.get("/")["checkpoint"]["hash"] == served
    assert not list(state.rglob(".partial-*"))
