"""kill -9 at any moment: nothing acknowledged is lost, and no half of anything is there.

What is killed here is a process that does what the server's parts do with the database, so that
many rounds take little time; `tests/app/api/test_killed_server.py` kills the whole server.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from monailabel_app.analysis.parameters import parse_parameters
from monailabel_app.jobs.job import Job, JobState, JobStore
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.requests import DetectionRequest
from monailabel_app.normals.support_sets import Member, SupportSetRecord
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store import schema
from monailabel_app.store.records import Records
from monailabel_app.store.recovery import open_database
from tests.app.kill_rounds import kill_rounds
from tests.app.review.test_reviews import Analysed

RESULT = Analysed(0, "result", "image")


def work(path: Path, start: int, acknowledge: Callable[[str], None]) -> None:
    """Jobs, set edits and review events without end; each is told when it is done."""
    database = open_database(path)
    jobs, events = JobStore(database), ReviewLog(database)
    sets = Records(database, schema.SUPPORT_SETS, SupportSetRecord)
    acknowledge("open")
    number = start
    while True:
        number += 1
        request = DetectionRequest("x" * (number % 3000), parse_parameters({}))
        job = Job(f"j-{number:08d}", JobKind.DETECT, request, "")
        jobs.save(job)
        acknowledge(f"job {number} queued")
        jobs.save(job.changed(state=JobState.DONE, result=str(number)))
        acknowledge(f"job {number} done")
        members = tuple(Member(f"image-{each}") for each in range(number % 9))
        sets.put("set", SupportSetRecord("set", title=str(number), members=members))
        acknowledge(f"set {number}")
        review = events.append(RESULT, ReviewEvent("note", "AB", note=str(number)))
        acknowledge(f"event {review.version} {number}")


def killed_after(path: Path, start: int, acknowledged: int, seconds: float) -> list[str]:
    """Let a process of its own work, kill it, and return what it had acknowledged.

    Args:
        path: the database.
        start: number of its first job.
        acknowledged: how many lines it may say before the clock runs.
        seconds: how long it lives then.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reading)
            work(path, start, lambda line: os.write(writing, f"{line}\n".encode()))
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as stream:
        lines = [stream.readline() for _ in range(acknowledged)]
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return [line.rstrip() for line in (*lines, *stream.readlines())]


@pytest.mark.parametrize(
    "rounds", [8, pytest.param(kill_rounds(60), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path, rounds: int) -> None:
    path = tmp_path / "state.sqlite3"
    draw = random.Random(rounds)
    states: dict[int, str] = {}
    title, events, start = 0, 0, 0
    for turn in range(rounds):
        # Some are killed while they open the database, most while they work.
        lines = killed_after(path, start, draw.randrange(12), draw.uniform(0.0, 0.1))
        assert lines[:1] in ([], ["open"])
        for line in lines[1:]:
            kind, first, *rest = line.split()
            if kind == "job":
                states[int(first)] = rest[0]
            elif kind == "set":
                title = int(first)
            else:
                events = int(first)
        start = max([start, *states]) + 1
        database = open_database(path)
        assert database.all_set_aside() == [], turn
        jobs_by_id = {job.id: job for job in JobStore(database).load()}
        for number, state in states.items():
            job = jobs_by_id[f"j-{number:08d}"]
            assert job.state.value == state or (state == "queued" and job.state is JobState.DONE)
        record = Records(database, schema.SUPPORT_SETS, SupportSetRecord).get("set")
        if title:
            assert record is not None and int(record.title) >= title
            assert len(record.members) == int(record.title) % 9
        log = ReviewLog(database).events(RESULT.id)
        assert [event.event for event in log] == list(range(1, len(log) + 1))
        # One that was stored and not acknowledged any more may be there.
        assert len(log) >= events
        events = len(log)
        database.close()
    assert len(states) > rounds / 4, json.dumps(states)


def test_217_acknowledged_writes_outlive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    lines = killed_after(path, 0, 1 + 217, 0.0)[1:]
    assert len(lines) >= 217
    database = open_database(path)
    assert database.all_set_aside() == []
    jobs = {job.id: job.state.value for job in JobStore(database).load()}
    notes = [event.note for event in ReviewLog(database).events(RESULT.id)]
    record = Records(database, schema.SUPPORT_SETS, SupportSetRecord).get("set")
    assert record is not None
    for line in lines:
        kind, *rest = line.split()
        if kind == "job":
            assert jobs[f"j-{int(rest[0]):08d}"] in (rest[1], "done"), line
        elif kind == "event":
            assert notes[int(rest[0]) - 1] == rest[1], line
        else:
            assert int(record.title) >= int(rest[0]), line
