"""The client against servers that fail: every failure names its cause and a remedy."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import numpy as np
import pytest
from certificates import Authority, https_server
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.client.transport import Transport
from D24FADSlicerLib.logic.jobs import Cancellation, Task
from D24FADSlicerLib.logic.messages import CancelledError, ExplainedError
from D24FADSlicerLib.logic.volume_file import VolumeData
from fault_server import answer, disconnect, dripping, not_http, serving, silent, truncated

from monailabel_app.reserved_port import ReservedPort

_MONAI_LABEL = b'{"name": "MONAILabel - Radiology", "models": {}}'


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (answer(504), "gateway", "proxy"),
        (answer(502), "gateway", "proxy"),
        (answer(404), "not_found", "no D24FAD server"),
        (answer(401), "unauthorised", "token"),
        (answer(500), "http_500", "log"),
        (answer(200, b"<html>hello</html>"), "wrong_app", "not as a D24FAD"),
        (answer(200, b'{"name": "other", "api_version": 1}'), "wrong_app", "another server"),
        (answer(200, b'{"name": "D24FAD", "api_version": 2}'), "wrong_version", "same release"),
        (answer(200, b'{"name": "D24FAD", "api_version": 1}'), "wrong_version", "version"),
        (disconnect, "disconnected", "broke"),
        (truncated, "truncated", "cut short"),
        (not_http, "disconnected", "broke"),
        (silent, "timeout", "in time"),
    ],
)
def test_the_connection_test_names_cause_and_remedy(fault, code: str, words: str) -> None:
    silence_s = 0.3 if fault is silent else 60  # however busy this machine is
    with serving(fault) as address, pytest.raises(ExplainedError) as caught:
        Client(address, silence_s=silence_s).info()
    assert caught.value.code == code
    assert words.lower() in str(caught.value).lower()
    assert caught.value.cause and caught.value.remedy


def test_another_monai_label_app_is_named() -> None:
    def act(connection) -> None:
        answer(200, _MONAI_LABEL)(connection)

    def first_missing(connection) -> None:
        (answer(404) if next(calls) == 0 else act)(connection)

    calls = iter(range(10))
    with serving(first_missing) as address, pytest.raises(ExplainedError, match="Radiology"):
        Client(address).info()


def test_the_servers_own_words_are_shown() -> None:
    body = b'{"error": {"code": "queue_full", "message": "64 wait.", "remedy": "Try later."}}'
    with serving(answer(429, body)) as address, pytest.raises(ExplainedError) as caught:
        Client(address).support_sets()
    assert (caught.value.code, str(caught.value)) == ("queue_full", "64 wait. Try later.")


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


def test_https_at_a_plain_server_says_http() -> None:
    with serving(answer(400)) as address, pytest.raises(ExplainedError, match="http://") as caught:
        Client(address.replace("http:", "https:")).info()
    assert caught.value.code == "tls"


def test_a_certificate_nobody_signed(tmp_path: Path) -> None:
    hospital = Authority(tmp_path)
    with https_server(hospital.issue()) as address, pytest.raises(ExplainedError) as caught:
        Client(address).info()
    assert caught.value.code == "tls"
    assert "certificate" in caught.value.cause.lower()
    assert "Authority in the Setup tab" in caught.value.remedy


def test_an_answer_that_drips_is_given_up() -> None:
    with serving(dripping) as address, pytest.raises(ExplainedError) as caught:
        Transport(address).document("GET", "/", limit_s=0.3)
    assert caught.value.code == "timeout"


def test_a_connection_that_stays_open_is_not_waited_for() -> None:
    over = threading.Event()

    def stay(connection) -> None:
        answer(200, b'{"items": []}')(connection)
        over.wait()

    with serving(stay) as address:
        assert Client(address).support_sets() == []
    over.set()


def test_a_truncated_download_leaves_no_file(tmp_path: Path) -> None:
    with serving(truncated) as address, pytest.raises(ExplainedError, match="cut short"):
        Transport(address).download("/x", tmp_path / "x", Cancellation(), lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_wakes_a_call_that_waits_for_a_silent_server() -> None:
    cancellation = Cancellation()
    ended: list[BaseException] = []

    def call(address: str) -> None:
        try:
            Transport(address, silence_s=600).document("GET", "/", cancellation)
        except BaseException as error:
            ended.append(error)

    arrived, over = threading.Event(), threading.Event()

    def hold(connection) -> None:
        arrived.set()
        over.wait()

    with serving(hold) as address:
        worker = threading.Thread(target=call, args=(address,), daemon=True)
        worker.start()
        assert arrived.wait(60)
        cancellation.cancel()
        worker.join(timeout=60)
    over.set()
    assert [type(error) for error in ended] == [CancelledError]


def test_cancelling_stops_an_upload(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(64 << 20))
    cancellation = Cancellation()

    def moved(sent: int, total: int) -> None:
        cancellation.cancel()

    with serving(silent, reads=False) as address, pytest.raises(CancelledError):
        Transport(address).upload("/x", file, cancellation, moved)


def test_a_refused_upload_gives_the_servers_reason() -> None:
    body = b'{"error": {"code": "too_large", "message": "Too large.", "remedy": "Crop it."}}'
    volume = VolumeData(np.random.default_rng(0).normal(size=(40, 200, 200)), np.eye(4))

    def refuse(connection) -> None:
        answer(404, b'{"error": {"code": "unknown_upload", "message": "No."}}')(connection)

    def act(connection) -> None:
        (refuse if next(calls) == 0 else answer(413, body))(connection)

    calls = iter(range(10))
    with serving(act) as address, pytest.raises(ExplainedError) as caught:
        Client(address).upload(volume, "scan", new_task())
    assert caught.value.code in ("too_large", "disconnected")
