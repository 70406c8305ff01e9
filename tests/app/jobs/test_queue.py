"""Jobs: order, progress, cancel, failure, and what a killed server leaves."""

import random
import shutil
import threading
import time
from collections.abc import Callable

import pytest

from d24fad_core.errors import InputError
from d24fad_core.progress import Progress
from monailabel_app.analysis.parameters import parse_parameters
from monailabel_app.failures import RequestError
from monailabel_app.jobs.job import Job, JobState, JobStore
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.queue import MAXIMUM_ATTEMPTS, JobQueue
from monailabel_app.jobs.requests import (
    DetectionRequest,
    JobRequest,
    ScoringRequest,
    TrainingRequest,
)
from monailabel_app.jobs.training_options import TrainingOptions
from monailabel_app.store.database import Database
from monailabel_app.store.recovery import open_database


class Work:
    """A runner that goes on only when it is told to."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.gate = threading.Event()

    def __call__(self, job: Job, progress: Progress) -> str | None:
        name = name_of(job.request)
        self.started.append(name)
        progress("Working", 0.5)
        while not self.gate.wait(0.01):
            progress("Working", 0.25)
        if name == "bad":
            raise InputError("bad: cannot be read", "give another file.")
        if name == "broken":
            raise ZeroDivisionError
        return f"result-of-{name}"


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def queue(database: Database, work: Work) -> JobQueue:
    queue = JobQueue(JobStore(database), 3)
    queue.start({JobKind.DETECT: work, JobKind.SCORE: work, JobKind.TRAIN: work})
    return queue


def job(name: str, kind: JobKind = JobKind.DETECT, abandon_after_s: float | None = None) -> Job:
    if kind is JobKind.SCORE:
        return Job.create(ScoringRequest("normals", (name,)))
    if kind is JobKind.TRAIN:
        return Job.create(TrainingRequest(name, TrainingOptions()))
    return Job.create(DetectionRequest(name, parse_parameters({}), abandon_after_s=abandon_after_s))


def name_of(request: JobRequest) -> str:
    """What `job` was given."""
    match request:
        case DetectionRequest(image=name) | ScoringRequest(images=(name,)):
            return name
        case TrainingRequest(support_set=name):
            return name
    raise AssertionError(request)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


def wait_until(queue: JobQueue, identifier: str, state: JobState) -> Job:
    wait_for(lambda: queue.get(identifier).state is state)
    return queue.get(identifier)


def test_jobs_run_in_order_and_report(queue: JobQueue, work: Work) -> None:
    jobs = [queue.submit(job(name)) for name in ("a", "b", "c")]
    wait_until(queue, jobs[0].id, JobState.RUNNING)
    wait_for(lambda: queue.get(jobs[0].id).fraction == 0.5)
    assert [queue.position(queue.get(j.id)) for j in jobs] == [0, 1, 2]
    work.gate.set()
    done = [wait_until(queue, j.id, JobState.DONE) for j in jobs]
    assert work.started == ["a", "b", "c"]
    assert [j.result for j in done] == ["result-of-a", "result-of-b", "result-of-c"]
    assert all(j.fraction == 1.0 and j.finished for j in done)
    assert queue.position(done[0]) is None


def test_the_fraction_never_falls(queue: JobQueue, work: Work) -> None:
    submitted = queue.submit(job("a"))
    wait_for(lambda: queue.get(submitted.id).fraction == 0.5)
    time.sleep(0.1)  # the runner now reports 0.25 again and again
    assert queue.get(submitted.id).fraction == 0.5
    work.gate.set()


def test_cancelling(queue: JobQueue, work: Work) -> None:
    running, waiting = queue.submit(job("a")), queue.submit(job("b"))
    wait_until(queue, running.id, JobState.RUNNING)
    assert queue.cancel(waiting.id).state is JobState.CANCELLED
    assert queue.cancel(running.id).cancel_requested
    wait_until(queue, running.id, JobState.CANCELLED)
    assert work.started == ["a"]
    work.gate.set()
    after = queue.submit(job("c"))
    wait_until(queue, after.id, JobState.DONE)
    assert queue.cancel(after.id).state is JobState.DONE


def test_an_abandoned_job_is_cancelled(queue: JobQueue, work: Work) -> None:
    submitted = queue.submit(job("a", abandon_after_s=0.2))
    wait_for(lambda: queue.all()[0].state is JobState.CANCELLED)
    assert queue.get(submitted.id).state is JobState.CANCELLED


def test_a_failure_says_why_and_the_next_job_runs(queue: JobQueue, work: Work) -> None:
    work.gate.set()
    bad, broken, good = [queue.submit(job(name)) for name in ("bad", "broken", "good")]
    failed = wait_until(queue, bad.id, JobState.FAILED)
    assert failed.error == {
        "code": "unsuitable_image",
        "message": "bad: cannot be read.",
        "remedy": "Give another file.",
    }
    failed = wait_until(queue, broken.id, JobState.FAILED)
    assert failed.error is not None
    assert failed.error["code"] == "internal_error"
    wait_until(queue, good.id, JobState.DONE)


def test_a_full_disk_does_not_end_the_workers(
    queue: JobQueue, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: JobStore, record: Job) -> None:
        raise OSError(28, "No space left on device")

    submitted = queue.submit(job("a"))
    wait_until(queue, submitted.id, JobState.RUNNING)
    with monkeypatch.context() as broken:
        broken.setattr(JobStore, "save", full)
        with pytest.raises(OSError, match="No space left"):
            queue.submit(job("b"))
        work.gate.set()
        wait_until(queue, submitted.id, JobState.DONE)
    after = queue.submit(job("c"))
    assert wait_until(queue, after.id, JobState.DONE).result == "result-of-c"


def test_a_full_queue_takes_no_more(queue: JobQueue, work: Work) -> None:
    first = queue.submit(job("a"))
    wait_until(queue, first.id, JobState.RUNNING)
    for name in "bcd":
        queue.submit(job(name))
    with pytest.raises(RequestError) as refusal:
        queue.submit(job("e"))
    assert refusal.value.status == 429
    work.gate.set()


def test_background_work_does_not_hold_up_people(queue: JobQueue, work: Work) -> None:
    background = queue.submit(job("all", JobKind.SCORE))
    wait_until(queue, background.id, JobState.RUNNING)
    assert not queue.people_wait()
    submission = queue.submit(job("a"))
    wait_until(queue, submission.id, JobState.RUNNING)
    assert queue.people_wait()
    work.gate.set()
    wait_until(queue, submission.id, JobState.DONE)
    assert not queue.people_wait()


def test_training_holds_up_nobody(queue: JobQueue, work: Work) -> None:
    training = queue.submit(job("normals", JobKind.TRAIN))
    wait_until(queue, training.id, JobState.RUNNING)
    assert not queue.people_wait()
    for other in (job("a"), job("all", JobKind.SCORE)):
        assert queue.position(queue.submit(other)) == 0
        wait_until(queue, other.id, JobState.RUNNING)
    second = queue.submit(job("more", JobKind.TRAIN))
    assert queue.position(second) == 1
    work.gate.set()
    wait_until(queue, second.id, JobState.DONE)


def test_training_goes_on_however_often_the_server_stopped(database: Database, work: Work) -> None:
    submitted = job("normals", JobKind.TRAIN)
    JobStore(database).save(submitted.changed(state=JobState.RUNNING, attempts=MAXIMUM_ATTEMPTS))
    work.gate.set()
    queue = JobQueue(JobStore(database), 3)
    queue.start({JobKind.TRAIN: work})
    wait_until(queue, submitted.id, JobState.DONE)


def test_jobs_of_a_killed_server_run_again(database: Database, work: Work) -> None:
    store = JobStore(database)
    running, waiting = job("a"), job("b")
    store.save(running.changed(state=JobState.RUNNING, fraction=0.7, attempts=1))
    store.save(waiting)
    work.gate.set()
    queue = JobQueue(JobStore(database), 3)
    queue.start({JobKind.DETECT: work})
    assert wait_until(queue, running.id, JobState.DONE).result == "result-of-a"
    assert wait_until(queue, waiting.id, JobState.DONE).result == "result-of-b"


def test_a_job_that_keeps_killing_the_server_is_given_up(database: Database, work: Work) -> None:
    submitted = job("a")
    JobStore(database).save(submitted.changed(state=JobState.RUNNING, attempts=MAXIMUM_ATTEMPTS))
    queue = JobQueue(JobStore(database), 3)
    queue.start({JobKind.DETECT: work})
    failed = wait_until(queue, submitted.id, JobState.FAILED)
    assert failed.error is not None
    assert "stopped 3 times" in failed.error["message"]
    assert work.started == []


def test_jobs_finished_long_ago_are_forgotten(
    database: Database, queue: JobQueue, work: Work
) -> None:
    work.gate.set()
    old = job("old").changed(state=JobState.DONE, finished="2020-01-01T00:00:00.000Z")
    queue.submit(old)
    fresh = queue.submit(job("a"))
    wait_until(queue, fresh.id, JobState.DONE)
    assert [j.id for j in queue.all()] == [fresh.id]
    assert [j.id for j in JobStore(database).load()] == [fresh.id]
    with pytest.raises(RequestError) as refusal:
        queue.get(old.id)
    assert refusal.value.code == "unknown_job"


def test_a_changed_byte_in_a_job_row_takes_that_job_alone(database: Database) -> None:
    """200 changes of any byte of the row, found while the server runs and at its next start."""
    store = JobStore(database)
    jobs = [
        Job(
            f"j-{number}",
            JobKind.DETECT,
            DetectionRequest(f"bild-ö-{number}", parse_parameters({})),
            "2026-11-30",
        )
        for number in range(3)
    ]
    for each in jobs:
        store.save(each)
    columns = ("key", "document", "digest")
    row = database.select(
        f"SELECT rowid, {', '.join(f'CAST({name} AS BLOB)' for name in columns)} "
        "FROM jobs WHERE key = 'j-1'"
    )[0]
    number, whole = row[0], dict(zip(columns, row[1:], strict=True))
    places = [(name, place) for name in columns for place in range(len(whole[name]))]
    draw = random.Random(0)

    def write(name: str, content: bytes) -> None:
        with database.transaction() as connection:
            connection.execute(
                f"UPDATE jobs SET {name} = CAST(? AS TEXT) WHERE rowid = ?", (content, number)
            )

    for turn in range(200):
        name, place = draw.choice(places)
        content = bytearray(whole[name])
        content[place] ^= draw.randrange(1, 256)
        write(name, bytes(content))
        assert store.load() == [jobs[0], jobs[2]], (name, place)
        assert database.all_set_aside()
        if turn % 25 == 0:
            copied = database.path.with_name(f"{turn}") / "state.sqlite3"
            copied.parent.mkdir()
            shutil.copy(database.path, copied)
            restarted = open_database(copied)
            left = JobStore(restarted).load()
            assert [job for job in left if job.id != "j-1"] == [jobs[0], jobs[2]]
            assert all(job == jobs[1] for job in left if job.id == "j-1")
            assert {note.kind for note in restarted.all_set_aside()} >= {"database", "jobs"}
            restarted.close()
        write(name, whole[name])
    assert store.load() == jobs
