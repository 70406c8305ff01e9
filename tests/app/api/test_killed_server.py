"""kill -9 of the server at random points: whatever it has answered is there at the next start.

Each round starts a server, as a fork of a process that has its imports done, asks it for jobs,
reviews and changes of support sets over HTTP until it is killed, and compares what the next one
says with every answer so far. Many rounds have the real routes and stores without MONAI Label and
without a network; a few have the whole server. `tests/app/store/test_killed.py` kills what writes
the database, without HTTP.
"""

import random
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from monailabel_app.failures import STATE_FOLDER
from monailabel_app.server_process import ServerProcess
from monailabel_app.store.recovery import open_database
from tests.app.api.forked_server import ForkedServer, forking, routes_alone, whole_server
from tests.app.http_client import Api
from tests.app.kill_rounds import kill_rounds

FORMER = Path(__file__).parents[1] / "former_studies" / "studies"
RESULTS = ("3962abf8426b7d82e3b728b7fbe19034", "62b3ed50a385af18e8542b8fd2a73caa")
MEMBERS = ("support-001",)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two analysed studies; nothing needs to be computed."""
    target = tmp_path / "studies"
    shutil.copytree(FORMER, target)
    (target / "state").rename(target / ".d24fad")
    return target


@dataclass
class Answers:
    """What a client knows by the answers that it got.

    Attributes:
        events: keys of the events, by result.
        jobs: ids of the jobs, with the state that was answered last.
        titles: of the sets.
        members: of the set `empty`; `None` after a change that was not answered.
        uncertain_title: what was asked for last, with or without an answer.
    """

    events: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in RESULTS})
    jobs: dict[str, str] = field(default_factory=dict)
    title: str | None = None
    uncertain_title: str | None = None
    members: frozenset[str] | None = None
    count: int = 0


def ask(session: requests.Session, url: str, draw: random.Random, answers: Answers) -> None:
    """One request, noted when it is answered.

    Raises:
        requests.RequestException: the server is gone.
    """

    def send(method: str, path: str, **document: Any) -> Any:
        answer = session.request(method, f"{url}/d24fad/v1{path}", json=document, timeout=60)
        assert answer.ok, answer.text
        answers.count += 1
        return answer.json() if answer.content else None

    kind = draw.choice(["event", "event", "title", "members", "job", "cancel"])
    if kind == "event":
        result, key = draw.choice(RESULTS), str(uuid.uuid4())
        path = f"/results/{result}/review/events"
        send("POST", path, action="note", reviewer="AB", note="x" * draw.randrange(999), key=key)
        answers.events[result].append(key)
    elif kind == "title":
        answers.uncertain_title = str(uuid.uuid4())
        send("PATCH", "/support-sets/brain", title=answers.uncertain_title)
        answers.title = answers.uncertain_title
    elif kind == "members":
        image, before = draw.choice(MEMBERS), answers.members
        if before is None:
            answers.members = members_of(Api(url))
            return
        answers.members = None
        if image in before:
            send("DELETE", f"/support-sets/empty/studies/{image}")
            answers.members = before - {image}
        else:
            send("POST", "/support-sets/empty/studies", image=image)
            answers.members = before | {image}
    elif kind == "job":
        job = send("POST", "/jobs", image="normal-001", options={"threshold": draw.uniform(3, 9)})
        answers.jobs[job["id"]] = job["state"]
    elif answers.jobs:
        identifier = draw.choice(list(answers.jobs))
        answers.jobs[identifier] = send("DELETE", f"/jobs/{identifier}")["state"]


def members_of(api: Api) -> frozenset[str]:
    return frozenset(study["image"] for study in api.get("/support-sets/empty")["studies"])


def check(api: Api, answers: Answers) -> None:
    """Everything that was answered is there."""
    for result, keys in answers.events.items():
        review = api.get(f"/results/{result}/review")
        events = review["events"]
        assert [event["event"] for event in events] == list(range(1, len(events) + 1))
        assert review["lost_events"] == []
        event_keys = [event["key"] for event in events]
        assert [key for key in event_keys if key in set(keys)] == keys
    if answers.title is not None:
        title = api.get("/support-sets/brain")["title"]
        assert title in (answers.title, answers.uncertain_title)
        answers.title = title  # an answer too: the next request may end before it is read
    if answers.members is not None:
        assert members_of(api) == answers.members
    jobs = {job["id"]: job for job in api.get("/jobs")["items"]}
    for identifier, state in answers.jobs.items():
        assert identifier in jobs
        if state in ("done", "failed", "cancelled"):
            assert jobs[identifier]["state"] == state


def until_killed(
    server: ForkedServer, session: requests.Session, draw: random.Random, answers: Answers
) -> None:
    """Ask on; after some answers, and a moment, the server is killed."""
    target = answers.count + draw.randrange(8)
    killer = threading.Timer(draw.uniform(0.0, 0.08), server.kill)
    try:
        while True:
            if answers.count >= target and not killer.is_alive() and killer.ident is None:
                killer.start()
            ask(session, server.url, draw, answers)
    except requests.RequestException:
        pass  # it is gone; what was being asked for was not answered
    finally:
        killer.cancel() if killer.ident is None else killer.join()


def run(
    studies: Path, folder: Path, rounds: int, serve: Callable[[str, int, str], None]
) -> Answers:
    """So many servers, each killed at work, each asked first for all that was answered before."""
    draw = random.Random(rounds)
    answers = Answers()
    context = forking()
    log = folder / "server.log"
    log.touch()
    for _ in range(rounds):
        with (
            ForkedServer(context, studies, log, serve) as server,
            requests.Session() as session,
        ):
            check(Api(server.url), answers)
            until_killed(server, session, draw, answers)
    assert answers.count > rounds
    assert "Traceback" not in log.read_text(encoding="utf-8", errors="replace")
    return answers


@pytest.mark.server
@pytest.mark.slow
def test_nothing_that_was_answered_is_lost(studies: Path, tmp_path: Path) -> None:
    answers = run(studies, tmp_path, kill_rounds(30), routes_alone)
    database = open_database(studies / STATE_FOLDER / "state.sqlite3")
    assert database.all_set_aside() == []
    assert answers.jobs and answers.title and any(answers.events.values())


@pytest.mark.server
@pytest.mark.slow
def test_nothing_that_the_whole_server_answered_is_lost(studies: Path, tmp_path: Path) -> None:
    answers = run(studies, tmp_path, 4, whole_server)
    with ServerProcess(studies, tmp_path / "last.log") as last:  # as an operator starts it
        check(Api(last.url), answers)
        assert Api(last.url).get("/status")["set_aside"] == []
