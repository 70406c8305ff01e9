"""Two reviewers at one result, in any order of events, with answers that get lost, and a third.

After every step server and panel show the same states, no outline that was sent is lost, and no
final label is stored that its reviewer did not see.
"""

from __future__ import annotations

import queue
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.client.saving import save_review
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import ExplainedError, problem_of_answer
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, FindingReview, ServerReview
from D24FADSlicerLib.logic.volume_file import VolumeData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_overlay import check_overlay

from monailabel_app.review.states import MARKED_STATES, review_of
from tests.app.review.served import ServedReviews

SHAPE = (7, 6, 5)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
REGIONS = {1: (0, 0, 0), 2: (3, 0, 0), 3: (6, 0, 0)}
FINDINGS = len(REGIONS)
RESULT, IMAGE = "r", "scan"


class Wire:
    """The transport without a network.

    Attributes:
        loses_next: the answer of the next request that writes is lost, after it was done.
        others_decide: a finding that somebody else rejects just before the next final label.
    """

    def __init__(self, served: ServedReviews) -> None:
        self._served = served
        self.loses_next = False
        self.others_decide: int | None = None

    def document(
        self, method: str, path: str, cancellation: Any = None, body: Any = None, limit_s: float = 0
    ) -> Any:
        if self.others_decide is not None and method == "PUT":
            self._served.act(RESULT, "reject", finding=self.others_decide, reviewer="EF")
            self.others_decide = None
        answer = self._served.client.request(method, path, json=body)
        if self.loses_next and method in ("POST", "PUT"):
            self.loses_next = False
            raise ExplainedError("The connection broke.", "", "disconnected")
        if answer.status_code >= 400:
            raise problem_of_answer(answer.status_code, answer.content, "here")
        return answer.json()

    def upload(self, path: str, file: Path, cancellation: Any, moved: Any) -> None:
        answer = self._served.client.put(path, content=file.read_bytes())
        assert answer.status_code == 201, answer.text


class Drawn:
    """An outline of one voxel, like none before."""

    def __init__(self, number: int, action: Action, finding: int | None) -> None:
        array = np.zeros(SHAPE[::-1], np.uint8)
        array[1 + number // 30 % 4, 2 + number % 30 // 7 % 4, number % 7] = 1
        self.volume = VolumeData(array, AFFINE)
        self.action, self.finding = action, finding
        self.key = f"outline-{number}"


class Reviewer:
    """A panel without its widgets."""

    def __init__(self, name: str, served: ServedReviews) -> None:
        self.name = name
        self.served = served
        self.wire = Wire(served)
        self.client = Client("http://127.0.0.1:1")
        self.client._http = self.client._slow = self.wire  # type: ignore[assignment]
        self.task = Task(1, queue.SimpleQueue())
        self.review = Review(self.client.review(RESULT, self.task))
        self.finals: list[tuple[int, dict[int, FindingReview], bytes]] = []

    def decide(self, action: Action, finding: int) -> None:
        if finding in self.review.findings():
            note = f"{self.name} {finding}" if action is Action.NOTE else ""
            self.review = self.review.append(action, finding, self.name, note)

    def undo(self) -> None:
        self.review = self.review.undo(self.name)

    def load(self) -> None:
        self.review, _ = self.review.rebased(self.client.review(RESULT, self.task))

    def send(self) -> None:
        sent = self.client.send_events(RESULT, self.review, self.task)
        self.review, _ = self.review.without(sent.refused).rebased(sent.review.server, sent.keys)

    def save(self, drawn: list[Drawn]) -> None:
        """As the panel does it; what is undecided is refused there before anything is sent."""
        drawn = [d for d in drawn if d.finding is None or d.finding in self.review.findings()]
        before = len(self.served.review(RESULT)["events"])
        saved = save_review(
            self.client, RESULT, self.review, drawn, self.name, self.review.study_note, self.task
        )
        sent = saved.sent
        self.review, _ = self.review.without(sent.refused).rebased(sent.review.server, sent.keys)
        if saved.final is not None:
            new = self.served.review(RESULT)["events"][before:]
            assert {event["reviewer"] for event in new} <= {self.name}, "written unseen"
            assert new[-1]["action"] == "final" and new[-1]["reviewer"] == self.name
            # With the label everything was sent: what the panel shows is what was stored.
            expected = label_of(self.served, dict(self.review.server.findings))
            np.testing.assert_array_equal(self.served.final(IMAGE), expected)


def label_of(served: ServedReviews, findings: dict[int, FindingReview]) -> np.ndarray:
    """The label that what a panel shows adds up to, shape (I, J, K)."""
    label = np.zeros(SHAPE, np.uint8)
    for number, found in findings.items():
        if found.state.value not in MARKED_STATES:
            continue
        if found.mask is None:
            label[REGIONS[number]] = 1
        else:
            path = served.reviews.masks.get(found.mask)
            label |= np.asanyarray(nibabel.load(path).dataobj)
    return label


def check(served: ServedReviews, reviewers: list[Reviewer]) -> None:
    log = served.reviews.log.events(RESULT)
    for reviewer in reviewers:
        check_overlay(reviewer.review, log, FINDINGS)
    # An outline is the finding's until its event is taken back or another is drawn.
    review = review_of(FINDINGS, log)
    for finding in review.findings:
        sent = [
            event.mask
            for event in log
            if event.action in ("edit", "add")
            and event.finding == finding.finding
            and event.event not in review.undone
        ]
        assert finding.mask == (sent[-1] if sent else None)
    for event in log:
        if event.mask is not None:
            assert served.reviews.masks.get(event.mask).is_file()


steps = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(
            [
                "accept",
                "reject",
                "reopen",
                "note",
                "undo",
                "send",
                "send",
                "load",
                "edit",
                "add",
                "save",
                "decide all and save",
                "lose an answer",
                "others decide",
            ]
        ),
        st.integers(1, FINDINGS + 1),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_two_reviewers_and_the_server_agree(actions: list[tuple[int, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        served = ServedReviews(Path(folder))
        scores = np.zeros(SHAPE, np.float32)
        for number, place in REGIONS.items():
            scores[place] = 10.0 - number
        served.put(RESULT, IMAGE, scores, AFFINE, 4.0)
        reviewers = [Reviewer("AB", served), Reviewer("CD", served)]
        for number, (who, action, finding) in enumerate(actions):
            reviewer = reviewers[who]
            if action == "lose an answer":
                reviewer.wire.loses_next = True
            elif action == "others decide":
                reviewer.wire.others_decide = min(finding, FINDINGS)
            elif action in ("undo", "send", "load"):
                getattr(reviewer, action)()
            elif action == "edit":
                reviewer.save([Drawn(number, Action.EDIT, finding)])
            elif action == "add":
                reviewer.save([Drawn(number, Action.ADD, None)])
            elif action == "save":
                reviewer.save([])
            elif action == "decide all and save":
                for open_finding in reviewer.review.open_findings(list(REGIONS)):
                    reviewer.decide(Action.ACCEPT, open_finding)
                reviewer.save([])
            else:
                reviewer.decide(Action(action), finding)
            check(served, reviewers)
        for reviewer in reviewers:
            reviewer.wire.loses_next = False
            reviewer.send()
            assert not reviewer.review.waiting
        for reviewer in reviewers:
            reviewer.load()
        check(served, reviewers)
        told = ServerReview.read(served.review(RESULT))
        assert [reviewer.review.server for reviewer in reviewers] == [told, told]
