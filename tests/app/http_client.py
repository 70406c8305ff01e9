"""The review API as a client of the tests speaks it."""

import time
from typing import Any

import requests


class Api:
    """The review API of one server."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/d24fad/v1"

    def ask(self, method: str, path: str, status: int, **options: Any) -> requests.Response:
        answer = requests.request(method, self.url + path, timeout=60, **options)
        assert answer.status_code == status, answer.text
        return answer

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.ask("GET", path, status, **options).json()

    def post(self, path: str, document: dict[str, Any], status: int = 201) -> Any:
        return self.ask("POST", path, status, json=document).json()

    def put(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.ask("PUT", path, status, **options).json()

    def finished(self, job: dict[str, Any]) -> dict[str, Any]:
        """Wait for a job as a client does."""
        end = time.monotonic() + 900
        while job["finished"] is None:
            assert time.monotonic() < end
            job = self.get(f"/jobs/{job['id']}?wait=20&after={job['version']}")
        return job

    def analysed(self, image: str, **more: Any) -> str:
        """Analyse an image and return the result's id."""
        job = self.finished(self.post("/jobs", {"image": image, **more}, 202))
        assert job["state"] == "done", job
        return str(job["result"])
