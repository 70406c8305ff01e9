"""A server that is left alone: many clients at once, a token, and memory that stays bounded."""

import json
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests

from monailabel_app.server_process import ServerProcess
from tests.app.window_server import window_server

pytestmark = [pytest.mark.server, pytest.mark.slow]

CLIENTS = 8
SECONDS = 60
LIMIT_MB = 2150  # an idle server has 1,250, one with all the results that it keeps 1,680


class Client(threading.Thread):
    """Asks for one thing after the other until it is told to stop; keeps what went wrong."""

    def __init__(self, url: str, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.number = number
        self.stop = stop
        self.errors: list[str] = []
        self.answers = 0

    def run(self) -> None:
        turn = 0
        with requests.Session() as session:
            while not self.stop.is_set():
                turn += 1
                try:
                    self.ask(session, turn)
                except requests.RequestException as error:
                    self.errors.append(repr(error))

    def ask(self, session: requests.Session, turn: int) -> None:
        api = f"{self.url}/d24fad/v1"
        image = ("lesion-001", "lesion-002", "normal-001")[(turn + self.number) % 3]
        # A threshold of its own now and then is an analysis of its own; most are repeated.
        options = {"threshold": 3.0 + self.number / 10} if turn % 7 == 0 else {}
        match turn % 4:
            case 0:
                self.check(session.get(f"{self.url}/info/", timeout=60))
            case 1:
                answer = session.post(
                    f"{self.url}/infer/anomaly_heatmap",
                    params={"image": image},
                    data={"params": json.dumps(options)},
                    timeout=300,
                )
                self.check(answer)
            case 2:
                answer = session.post(
                    f"{api}/jobs", json={"image": image, "options": options}, timeout=60
                )
                self.check(answer)
                job = answer.json()
                if turn % 8 == 2 and job["finished"] is None:
                    self.check(session.delete(api + f"/jobs/{job['id']}", timeout=60))
            case _:
                self.check(session.get(f"{api}/images", timeout=60))

    def check(self, answer: requests.Response) -> None:
        self.answers += 1
        if answer.status_code >= 400:
            self.errors.append(f"{answer.status_code} {answer.url}: {answer.text[:200]}")


def memory_mb(server: ServerProcess) -> float:
    process = psutil.Process(server.process_id)
    return float(process.memory_info().rss) / (1 << 20)


def test_eight_clients_for_a_minute(studies: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary)}
    with window_server(studies, tmp_path / "server.log", environment=environment) as server:
        stop = threading.Event()
        clients = [Client(server.url, number, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(SECONDS)
        stop.set()
        for client in clients:
            client.join(300)
        after = memory_mb(server)
        assert [error for client in clients for error in client.errors] == []
        assert all(client.answers > 0 for client in clients)
        assert after < LIMIT_MB
        assert psutil.Process(server.process_id).children() == []
    assert list(temporary.glob("d24fad-*")) == []


def test_a_token_is_needed_where_the_operator_set_one(studies: Path, tmp_path: Path) -> None:
    environment = {"D24FAD_SERVER_TOKEN": "secret-of-the-operator"}
    server = window_server(studies, tmp_path / "server.log", environment=environment)
    with server:
        headers = {"Authorization": "Bearer secret-of-the-operator"}
        for path in ("/info/", "/d24fad/v1/", "/datastore/", "/logs/", "/ohif/"):
            assert requests.get(server.url + path, timeout=120).status_code == 401, path
        for path in ("/info/", "/d24fad/v1/images"):
            assert requests.get(server.url + path, headers=headers, timeout=120).ok, path
    assert "secret-of-the-operator" not in server.log.read_text()
