"""A folder of the version before there was a database: all of it is there again, once."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from monailabel_app.analysis.results import ResultRecord, ResultStore
from monailabel_app.former_state import KEPT_FOLDER, import_former_state
from monailabel_app.jobs.job import Job, JobState, JobStore
from monailabel_app.normals.quality import SetQuality
from monailabel_app.normals.support_sets import SupportSetRecord
from monailabel_app.store import schema
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.recovery import open_database
from monailabel_app.studies.file_hashes import FileHash
from monailabel_app.training.checkpoints import SERVED, CheckpointRecord, ServedCheckpoint
from tests.app.api.forked_server import forked_server
from tests.app.http_client import Api

FORMER = Path(__file__).parent / "former_studies"
"""Written by the server of commit 59395e2: two analyses, sets, their checks and a review."""


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    target = tmp_path / "studies"
    shutil.copytree(FORMER / "studies", target)
    (target / "state").rename(target / ".d24fad")
    return target


@pytest.fixture
def state(studies: Path) -> Path:
    return studies / ".d24fad"


@pytest.fixture
def expected() -> Any:
    return json.loads((FORMER / "expected.json").read_text())


def opened(state: Path) -> Database:
    return open_database(state / "state.sqlite3")


def contents(database: Database) -> dict[str, list[Any]]:
    kinds = {
        schema.JOBS: Job,
        schema.SUPPORT_SETS: SupportSetRecord,
        schema.SET_QUALITY: SetQuality,
        schema.FILE_HASHES: FileHash,
        schema.CHECKPOINTS: CheckpointRecord,
        schema.RESULTS: ResultRecord,
    }
    return {table: Records(database, table, kind).find() for table, kind in kinds.items()}


def test_everything_is_taken_over_once_and_the_files_are_kept(state: Path, expected: Any) -> None:
    before = {p.relative_to(state): p.read_bytes() for p in state.rglob("*") if p.is_file()}
    database = opened(state)
    import_former_state(state, database)
    ResultStore(state / "results", database)
    tables = contents(database)

    assert {job.id for job in tables["jobs"]} == {job["id"] for job in expected["/jobs"]["items"]}
    assert all(job.state is JobState.DONE for job in tables["jobs"])
    brain, empty = tables["support_sets"]
    assert brain.title == "Brain" and len(brain.members) == 3
    (member,) = empty.members
    assert (member.image, member.note, member.confirmed_normal) == (
        "normal-001",
        "looked twice",
        True,
    )
    statement = expected["/support-sets/brain"]["quality"]["statement"]
    assert statement in {quality.statement for quality in tables["set_quality"]}
    assert len(tables["file_hashes"]) == 5
    assert len(tables["results"]) == 5
    (checkpoint,) = tables["checkpoints"]
    assert not checkpoint.kept and checkpoint.support_set == "brain"
    served = Records(database, schema.SETTINGS, ServedCheckpoint).get(SERVED)
    assert served is not None and served.served == served.own
    assert database.all_set_aside() == []

    folder = state / KEPT_FOLDER
    for path, content in before.items():
        place = state if path.parts[0] in ("results", "reviews") else folder
        assert (place / path).read_bytes() == content

    database.close()
    again = opened(state)
    import_former_state(state, again)
    ResultStore(state / "results", again)
    assert contents(again) == tables


def test_an_import_that_was_killed_goes_on(state: Path) -> None:
    """Between the database's commit and the moving of the file."""
    originals = shutil.copytree(state, state.parent / "originals")
    database = opened(state)
    import_former_state(state, database)
    tables = contents(database)
    shutil.copytree(originals / "jobs", state / "jobs")
    shutil.copy(originals / "hashes.json", state)
    import_former_state(state, database)
    assert contents(database) == tables
    assert not (state / "jobs").exists()


@pytest.mark.parametrize(
    ("name", "kind", "table"),
    [
        ("support_sets/brain.json", "support set file", "support_sets"),
        ("quality/brain.json", "quality file", "set_quality"),
        ("hashes.json", "hash file", "file_hashes"),
        ("checkpoints/served.json", "served checkpoint", "settings"),
    ],
)
@pytest.mark.parametrize("content", ["", '{"name": "br', "[]", '{"name": 3}', "\0\0\0"])
def test_a_damaged_file_is_set_aside_alone(
    state: Path, name: str, kind: str, table: str, content: str
) -> None:
    (state / name).write_text(content)
    database = opened(state)
    import_former_state(state, database)
    if name == "hashes.json" and content == "[]":
        assert database.all_set_aside()  # a list has no hashes
    (note,) = database.all_set_aside()
    assert note.kind == kind
    (aside,) = (state / "damaged").iterdir()
    assert aside.read_text() == content
    tables = contents(database)
    assert len(tables["jobs"]) == 4
    assert len(tables["support_sets"]) == (1 if table == "support_sets" else 2)


def test_a_cut_off_job_and_one_of_a_later_version(state: Path) -> None:
    cut, later = sorted((state / "jobs").iterdir())[:2]
    cut.write_text(cut.read_text()[:100])
    later.write_text(later.read_text().replace("{", '{"priority": 7, ', 1))
    database = opened(state)
    import_former_state(state, database)
    assert [note.kind for note in database.all_set_aside()] == ["job file"]
    assert later.stem in {job.id for job in JobStore(database).load()}


@pytest.mark.server
@pytest.mark.slow
def test_the_whole_server_shows_what_the_former_one_showed(
    studies: Path, tmp_path: Path, expected: Any
) -> None:
    with forked_server(studies, tmp_path / "server.log") as server:
        api = Api(server.url)
        images = {entry["image"]: entry for entry in api.get("/images?support_set=brain")["items"]}
        for entry in expected["/images?support_set=brain"]["items"]:
            entry.pop("sha256")  # of another path: computed anew
            assert entry.items() <= images[entry["image"]].items()
        for name in ("/support-sets/brain", "/support-sets/empty"):
            answer = api.get(name)
            for field in ("title", "created", "version", "hash"):
                assert answer[field] == expected[name][field]
        (result, *_) = expected["/results?image=lesion-001"]["items"]
        # Results of then have no schema number, and knew no warnings and one comparison.
        since = {"schema": 0, "warnings": [], "comparison": "window", "comparison_reason": None}
        former = [each | since for each in expected["/results?image=lesion-001"]["items"]]
        assert api.get("/results?image=lesion-001") == {"items": former}
        review = api.get(f"/results/{result['id']}/review")
        # Reviews say more than they did; what they said then they say still.
        former_review = expected[f"/results/{result['id']}/review"]
        assert former_review.keys() <= review.keys()
        for name, value in former_review.items():
            assert says(review[name], value), name
        # The three that the support set's quality needed are results of support studies.
        assert len(api.get("/results")["items"]) == 5
        assert api.get("/status")["set_aside"] == []


def says(now: object, former: object) -> bool:
    """Whether an answer holds all of a former one."""
    if isinstance(former, dict):
        return isinstance(now, dict) and all(
            key in now and says(now[key], value) for key, value in former.items()
        )
    if isinstance(former, list):
        return (
            isinstance(now, list)
            and len(now) == len(former)
            and all(says(one, other) for one, other in zip(now, former, strict=True))
        )
    return now == former
