"""The client against the real routes of the server."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import CancelledError, ExplainedError
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, State
from D24FADSlicerLib.logic.volume_file import VolumeData
from lines import Answer, Proxy, Request

from d24fad_core import __version__
from d24fad_core.volumes.preprocessing import CT_WINDOWS
from monailabel_app.configuration import ServerConfiguration


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


def scan(seed: int = 0, spots: int = 1, slices: int = 1) -> VolumeData:
    array = np.random.default_rng(seed).uniform(0, 100, (12, 16, 20)).astype(np.int16)
    for spot in range(spots):
        first = 3 + 3 * spot
        array[first : first + slices, 4:8, 5 + 4 * spot : 8 + 4 * spot] = 900 - 50 * spot
    return VolumeData(array, np.diag([2.0, 2.0, 4.0, 1.0]))


@pytest.fixture
def server(routes, tmp_path: Path) -> Iterator:
    from harness.study_server import StudyServer

    with StudyServer(routes, tmp_path) as running:
        for number in range(2):
            running.add_image(f"normal_{number}", scan(number, spots=0))
        yield running


def test_the_server_tells_who_it_is(server) -> None:
    info = Client(server.address).info()
    assert (info.version, info.default_support_set, info.minimum_supports) == (
        __version__,
        "default",
        2,
    )
    assert info.ct_windows == tuple(CT_WINDOWS)


def test_a_token_is_sent(tmp_path: Path) -> None:
    from harness.study_server import Routes, StudyServer

    routes = Routes(ServerConfiguration(token="s3cret"))
    with StudyServer(routes, tmp_path) as server:
        with pytest.raises(ExplainedError, match="token"):
            Client(server.address).info()
        assert Client(server.address, " s3cret\n").info().version == __version__
    routes.close()


def test_a_prefix_of_a_proxy_is_kept(server) -> None:
    with pytest.raises(ExplainedError):
        Client(f"{server.address}/label").info()
    assert server.calls[0] == "GET /label/d24fad/v1/"


def test_a_volume_is_sent_once(server) -> None:
    client = Client(server.address)
    first, digest = client.upload(scan(7), "Päd scan #1", new_task())
    again, same = client.upload(scan(7), "other name", new_task())
    assert (first, digest) == (again, same)
    assert first == "P_d_scan__1"
    assert sum(call.startswith("PUT") for call in server.calls) == 1


def test_a_name_that_is_taken_gets_a_suffix(server) -> None:
    client = Client(server.address)
    client.upload(scan(7), "scan", new_task())
    second, digest = client.upload(scan(8), "scan", new_task())
    assert second == f"scan-{digest[:12]}"


def test_an_analysis_comes_back_typed(server) -> None:
    client, task = Client(server.address), new_task()
    image, _ = client.upload(scan(7, spots=2), "scan", task)
    analysis = client.detect(image, "default", None, {}, task)
    assert [finding.rank for finding in analysis.findings] == [1, 2]
    assert analysis.findings[0].peak_score > analysis.findings[1].peak_score
    assert analysis.findings[0].volume_ml == pytest.approx(12 * 16 / 1000)
    assert analysis.slice_of(analysis.findings[0].peak_ras_mm) == 3
    labels = client.finding_labels(analysis.result, task)
    assert set(np.unique(labels.array)) == {0, 1, 2}
    assert client.heatmap(analysis.result, task).array.max() == pytest.approx(8.0)


def test_too_few_supports_is_said_by_the_server(server) -> None:
    server.ask("DELETE", "/support-sets/default/studies/normal_1")
    client, task = Client(server.address), new_task()
    with pytest.raises(ExplainedError, match="at least 2") as caught:
        client.detect("normal_0", "default", None, {}, task)
    assert caught.value.code == "too_few_supports"


def test_a_server_that_dies_and_comes_back_does_not_lose_the_analysis(server) -> None:
    server.add_image("case", scan(7))
    server.hold_analyses()  # until it has been away
    client, task = Client(server.address, patience_s=20), new_task()
    reports: list[str] = []
    report = task.report

    def watched(step: str, fraction: float | None = None) -> None:
        reports.append(step)
        if len(reports) == 3:
            server.stop()
        if step.startswith("Waiting for the server") and reports.count(step) == 1:
            server.finish_analyses()
            server.start()
        report(step, fraction)

    task.report = watched  # type: ignore[method-assign]
    analysis = client.detect("case", "default", None, {}, task)
    assert any(step.startswith("Waiting for the server") for step in reports)
    assert analysis.image == "case"


def test_a_server_that_stays_away_is_given_up(server) -> None:
    server.add_image("case", scan(7))
    server.hold_analyses()
    client, task = Client(server.address, patience_s=0.2), new_task()
    state = client.start_detection("case", "default", None, {}, task)
    server.stop()
    with pytest.raises(ExplainedError) as caught:
        client._follow(state, task)
    assert caught.value.code in ("refused", "disconnected")


def test_cancelling_cancels_on_the_server_too(server) -> None:
    server.add_image("case", scan(7))
    server.hold_analyses()
    client, task = Client(server.address), new_task()
    report = task.report

    def watched(step: str, fraction: float | None = None) -> None:
        if step == "Scoring slices":
            task.cancellation.cancel()
        report(step, fraction)

    task.report = watched  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        client.detect("case", "default", None, {}, task)
    server.until_over()
    assert server.detections == ["cancelled"]


@pytest.fixture
def task() -> Task:
    return new_task()


def analysed(client: Client, task: Task, spots: int = 2) -> str:
    """The id of a result with so many findings."""
    image, _ = client.upload(scan(7, spots=spots), "scan", task)
    return client.detect(image, "default", None, {}, task).result


def opened(client: Client, result: str, task: Task) -> Review:
    """The review as a panel has it that has just opened the case."""
    return Review(client.review(result, task))


def actions_of(server, result: str) -> list[str]:
    return [event["action"] for event in server.events[result]]


def drawing(*voxels: tuple[int, int, int]) -> VolumeData:
    array = np.zeros((12, 16, 20), np.uint8)
    array[tuple(np.transpose(voxels))] = 1
    return VolumeData(array, scan().affine)


def test_a_review_is_sent_and_read_back(server, task: Task) -> None:
    client = Client(server.address)
    result = analysed(client, task)
    review = opened(client, result, task).append(Action.ACCEPT, 1, "AB")
    review = review.append(Action.REJECT, 2, "AB", "vessel").undo("AB")
    sent = client.send_events(result, review, task)
    review = sent.review
    assert (review.waiting, sent.refused, sent.others, sent.problem) == ((), (), (), None)
    assert review.of(1).state is State.ACCEPTED
    assert review.of(2).state is State.OPEN
    with pytest.raises(ExplainedError, match="not decided"):
        client.store_final(result, review, "AB", "", task)


def test_every_event_says_what_its_reviewer_saw_and_has_a_key(server, task: Task) -> None:
    client = Client(server.address)
    result = analysed(client, task)
    review = opened(client, result, task).append(Action.ACCEPT, 1, "AB").undo("AB")
    first, second = review.waiting
    assert first.key and second.key and first.key != second.key
    assert review.request(first)["expected_version"] == 0
    assert review.request(first)["key"] == first.key
    client.send_events(result, review, task)
    assert [event["key"] for event in server.events[result]] == [first.key, second.key]


def test_an_event_whose_answer_was_lost_is_not_written_twice(server, task: Task) -> None:
    client = Client(server.address)
    result = analysed(client, task)
    seen = opened(client, result, task)
    review = seen.append(Action.ACCEPT, 1, "AB").undo("AB").append(Action.REJECT, 1, "AB")
    client.send_events(result, Review(seen.server, review.waiting[:2]), task)
    review = client.send_events(result, review, task).review
    assert actions_of(server, result) == ["accept", "undo", "reject"]
    assert review.of(1).state is State.REJECTED


def test_a_final_label_whose_answer_was_lost_is_stored_once(server, task: Task) -> None:
    client = Client(server.address)
    result = analysed(client, task, spots=1)
    seen = opened(client, result, task).append(Action.ACCEPT, 1, "AB")
    seen = client.send_events(result, seen, task).review
    for _ in range(2):
        client.store_final(result, seen, "AB", "", task)
    assert actions_of(server, result) == ["accept", "final"]


def test_a_decision_on_what_somebody_else_changed_is_not_sent(server, task: Task) -> None:
    first, second = Client(server.address), Client(server.address)
    result = analysed(first, task)
    mine = opened(first, result, task).append(Action.ACCEPT, 1, "AB")
    mine = mine.append(Action.ACCEPT, 2, "AB").append(Action.NOTE, None, "AB", "mine")
    theirs = opened(second, result, task).append(Action.REJECT, 1, "CD")
    second.send_events(result, theirs, task)
    sent = first.send_events(result, mine, task)
    assert [event.finding for event in sent.refused] == [1]
    assert [entry.reviewer for entry in sent.others] == ["CD"]
    assert sent.review.of(1).state is State.REJECTED
    assert sent.review.of(2).state is State.ACCEPTED
    assert actions_of(server, result) == ["reject", "accept", "note"]


def test_undoing_what_somebody_else_changed_is_not_sent(server, task: Task) -> None:
    first, second = Client(server.address), Client(server.address)
    result = analysed(first, task)
    mine = opened(first, result, task).append(Action.ACCEPT, 1, "AB")
    mine = first.send_events(result, mine, task).review.undo("AB")
    theirs = opened(second, result, task).append(Action.REJECT, 1, "CD")
    second.send_events(result, theirs, task)
    sent = first.send_events(result, mine, task)
    assert [event.action for event in sent.refused] == [Action.UNDO]
    assert sent.review.of(1).state is State.REJECTED


def test_a_label_that_was_not_seen_is_not_stored(server, task: Task) -> None:
    first, second = Client(server.address), Client(server.address)
    result = analysed(first, task, spots=1)
    mine = opened(first, result, task).append(Action.ACCEPT, 1, "AB")
    mine = first.send_events(result, mine, task).review
    theirs = opened(second, result, task).append(Action.REJECT, 1, "CD")
    second.send_events(result, theirs, task)
    with pytest.raises(ExplainedError) as caught:
        first.store_final(result, mine, "AB", "", task)
    assert caught.value.code == "review_changed"
    assert actions_of(server, result) == ["accept", "reject"]


def test_an_edited_mask_goes_before_its_event(server, task: Task) -> None:
    client = Client(server.address)
    result = analysed(client, task, spots=1)
    digest = client.send_mask(result, drawing((3, 4, 5)), task)
    review = opened(client, result, task).append(Action.EDIT, 1, "AB", mask=digest)
    review = client.send_events(result, review, task).review
    assert review.server.masks == {1: digest}
    np.testing.assert_array_equal(
        client.fetch_mask(result, digest, task).array, drawing((3, 4, 5)).array
    )
    label, stored = client.store_final(result, review, "AB", "", task)
    assert label.in_pacs is None
    assert stored.version == 2
    review = Review(stored).append(Action.ACCEPT, 1, "AB")
    assert review.of(1).state is State.EDITED, "the outline counts as long as nobody undoes it"
    review = client.send_events(result, review, task).review
    client.store_final(result, review, "AB", "", task)
    np.testing.assert_array_equal(server.final("scan"), drawing((3, 4, 5)).array)


def test_support_sets_and_calibration(server) -> None:
    client, task = Client(server.address), new_task()
    server.add_image("spotted", scan(3, spots=1, slices=8))
    server.add_support("default", "spotted")
    support = client.check_quality("default", task)
    assert [study.image for study in support.studies] == ["normal_0", "normal_1", "spotted"]
    assert [study.quality for study in support.studies] == ["ok", "ok", "warning"]
    assert any("stands out" in remark for remark in support.studies[2].remarks)
    client.remove_support("default", "spotted", task)
    assert client.calibration("default", task).false_positive_rate(3.0) is None
    created = client.create_support_set("mine", "Mine", ["normal_0", "normal_1"], "AB", task)
    assert created.usable
    image, _ = client.upload(scan(9, spots=0), "case", task)
    assert client.detect(image, "default", None, {}, task).case_score < 1.0
    client.add_support("mine", image, "AB", task, confirmed_normal=True)
    assert client.calibration("mine", task).false_positive_rate(0.1) is None, "it is one of the set"
    assert client.calibration("default", task).false_positive_rate(-1.0) == 1.0
    assert client.calibration("default", task).false_positive_rate(3.0) == 0.5
    left = client.remove_support("mine", image, task)
    assert [study.image for study in left.studies] == ["normal_0", "normal_1"]


def test_the_next_case_until_nothing_is_left(server) -> None:
    client, task = Client(server.address), new_task()
    client.upload(scan(7), "case", task)
    assert client.next_case("most_anomalous", "default", [], task).image == "case"
    with pytest.raises(ExplainedError) as caught:
        client.next_case("most_anomalous", "default", ["case"], task)
    assert caught.value.code == "nothing_left"


def too_old_for_matches(proxy: Proxy, connection: Any, request: Request) -> None:
    """What a server from before there were matches says of them."""
    body = b'{"error": {"code": "unknown_route", "message": "No route.", "remedy": ""}}'
    connection.sendall(Answer(404, (("Content-Type", "application/json"),), body).to_bytes())


def test_the_matches_of_a_result_come_typed_and_an_older_server_has_none(server) -> None:
    client, task = Client(server.address), new_task()
    image, _ = client.upload(scan(7), "scan", task)
    result = client.detect(image, "default", None, {}, task).result
    matches = client.matches(result, task)
    assert matches.result == result
    told = {
        item["image"]: item for item in server.ask("GET", f"/results/{result}/matches")["items"]
    }
    there = np.array(told["normal_1"]["query_to_support"]) @ (1.0, 2.0, 3.0, 1.0)
    assert matches.of("normal_1").place_of((1.0, 2.0, 3.0)) == pytest.approx(there[:3])
    with pytest.raises(ExplainedError) as caught:
        client.matches("0" * 64, task)
    assert caught.value.code == "unknown_result"
    server.line.faults.append(too_old_for_matches)
    assert client.matches(result, task) is None
