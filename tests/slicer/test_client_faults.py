"""The client on a line that fails before the real server: each failure has cause and remedy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import Authority, https_server
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.client.transport import Transport
from D24FADSlicerLib.logic.jobs import Cancellation, Task
from D24FADSlicerLib.logic.messages import CancelledError, ExplainedError
from D24FADSlicerLib.logic.volume_file import VolumeData
from lines import (
    Proxy,
    Request,
    answer_cut,
    answer_dripping,
    answer_lost,
    broken_off,
    left_open,
    not_http,
    refused_by_proxy,
    unanswered,
)

from d24fad_core.files import hash_file
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.reserved_port import ReservedPort

_MONAI_LABEL = b'{"name": "MONAILabel - Radiology", "models": {}}'


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


def answers(body: bytes) -> Any:
    """Another program answers there, or another version of ours; the real server cannot."""
    return refused_by_proxy(200, body)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (refused_by_proxy(504), "gateway", "proxy"),
        (refused_by_proxy(502), "gateway", "proxy"),
        (refused_by_proxy(404, b""), "not_found", "no D24FAD server"),
        (refused_by_proxy(401, b""), "unauthorised", "token"),
        (refused_by_proxy(500, b""), "http_500", "log"),
        (answers(b"<html>hello</html>"), "wrong_app", "not as a D24FAD"),
        (answers(b'{"name": "other", "api_version": 1}'), "wrong_app", "another server"),
        (answers(b'{"name": "D24FAD", "api_version": 2}'), "wrong_version", "same release"),
        (answers(b'{"name": "D24FAD", "api_version": 1}'), "wrong_version", "version"),
        (answer_lost, "disconnected", "broke"),
        (broken_off, "disconnected", "broke"),
        (answer_cut, "truncated", "cut short"),
        (not_http, "disconnected", "broke"),
        (unanswered, "timeout", "in time"),
    ],
)
def test_the_connection_test_names_cause_and_remedy(
    study_server: Any, fault: Any, code: str, words: str
) -> None:
    silence_s = 0.3 if fault is unanswered else 60  # however busy this machine is
    study_server.line.usual = fault
    with pytest.raises(ExplainedError) as caught:
        Client(study_server.address, silence_s=silence_s).info()
    assert caught.value.code == code
    assert words.lower() in str(caught.value).lower()
    assert caught.value.cause and caught.value.remedy


def test_another_monai_label_app_is_named(study_server: Any) -> None:
    study_server.line.faults.append(refused_by_proxy(404, b""))
    study_server.line.usual = answers(_MONAI_LABEL)
    with pytest.raises(ExplainedError, match="Radiology"):
        Client(study_server.address).info()


@pytest.fixture
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with room for one job, and for volumes of a mebibyte."""
    from harness.study_server import Routes, StudyServer

    routes = Routes(ServerConfiguration(queue_length=1, upload_mb=1))
    with StudyServer(routes, tmp_path_factory.mktemp("narrow")) as running:
        yield running
    routes.close()


def test_the_servers_own_words_are_shown(narrow_server: Any) -> None:
    for name in ("normal_0", "normal_1", "case"):
        noise = np.random.default_rng(len(name)).integers(0, 90, (12, 16, 20), np.int16)
        narrow_server.add_image(name, VolumeData(noise, np.eye(4)))
    narrow_server.hold_analyses()
    client = Client(narrow_server.address)
    with pytest.raises(ExplainedError) as caught:
        for _ in range(3):  # one runs, one waits
            client.start_detection("case", "default", None, {}, new_task())
    assert caught.value.code == "queue_full"
    words = "1 jobs are waiting; the server takes no more. Try again in a while."
    assert str(caught.value) == words


def test_nobody_listening() -> None:
    port = ReservedPort()  # else another program might listen by now
    with pytest.raises(ExplainedError, match="Nothing listens") as caught:
        Client(f"http://127.0.0.1:{port.number}").info()
    port.release()
    assert caught.value.code == "refused"
    assert "start_server" in caught.value.remedy


def test_an_unknown_host() -> None:
    with pytest.raises(ExplainedError) as caught:
        Client("http://no-such-host.invalid:8000").info()
    assert caught.value.code == "unknown_host"


@pytest.mark.parametrize(
    "typed", ["", "ftp://x", "http://", "http://x:port", "http://x:99999", "not an address"]
)
def test_an_address_that_is_none(typed: str) -> None:
    with pytest.raises(ExplainedError, match="no server address"):
        Client(typed)


def test_https_at_a_plain_server_says_http(study_server: Any) -> None:
    with pytest.raises(ExplainedError, match="http://") as caught:
        Client(f"https://127.0.0.1:{study_server.port}").info()
    assert caught.value.code == "tls"


def test_a_certificate_nobody_signed(study_server: Any, tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue()
    with (
        https_server(certificate, study_server.port) as address,
        pytest.raises(ExplainedError) as caught,
    ):
        Client(address).info()
    assert caught.value.code == "tls"
    assert "certificate" in caught.value.cause.lower()
    assert "Authority in the Setup tab" in caught.value.remedy


def test_an_answer_that_drips_is_given_up(study_server: Any) -> None:
    study_server.line.usual = answer_dripping
    with pytest.raises(ExplainedError) as caught:
        Transport(study_server.address).document("GET", "/", limit_s=0.3)
    assert caught.value.code == "timeout"


def test_a_connection_that_stays_open_is_not_waited_for(study_server: Any) -> None:
    study_server.line.usual = left_open
    sets = Client(study_server.address).support_sets()
    assert [support_set.name for support_set in sets] == ["default"]


def test_a_truncated_download_leaves_no_file(study_server: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 900, (20, 20, 20), np.int16)
    study_server.add_image("case", VolumeData(noise, np.eye(4)))  # longer than what goes before it
    study_server.line.usual = answer_cut
    file = "/d24fad/v1/images/case/file"
    with pytest.raises(ExplainedError, match="cut short"):
        Transport(study_server.address).download(
            file, tmp_path / "x", Cancellation(), lambda *_: None
        )
    assert list(tmp_path.iterdir()) == []


def test_cancelling_wakes_a_call_that_waits_for_a_silent_server(study_server: Any) -> None:
    cancellation = Cancellation()
    ended: list[BaseException] = []

    def call(address: str) -> None:
        try:
            Transport(address, silence_s=600).document("GET", "/", cancellation)
        except BaseException as error:
            ended.append(error)

    arrived = threading.Event()

    def hold(proxy: Proxy, connection: Any, request: Request) -> None:
        arrived.set()
        unanswered(proxy, connection, request)

    study_server.line.usual = hold
    worker = threading.Thread(target=call, args=(study_server.address,), daemon=True)
    worker.start()
    assert arrived.wait(60)
    cancellation.cancel()
    worker.join(timeout=60)
    assert [type(error) for error in ended] == [CancelledError]


def test_cancelling_stops_an_upload(study_server: Any, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(64 << 20))
    cancellation = Cancellation()

    def moved(sent: int, total: int) -> None:
        cancellation.cancel()

    path = f"/d24fad/v1/uploads/{hash_file(file)}?name=big.nii.gz"
    with pytest.raises(CancelledError):
        Transport(study_server.address).upload(path, file, cancellation, moved)
    assert not study_server.services.images.identifiers()


def test_a_refused_upload_gives_the_servers_reason(narrow_server: Any) -> None:
    volume = VolumeData(np.random.default_rng(0).normal(size=(40, 200, 200)), np.eye(4))
    with pytest.raises(ExplainedError) as caught:
        Client(narrow_server.address).upload(volume, "scan", new_task())
    assert caught.value.code in ("too_large", "disconnected")
