"""A small D24FAD server for the panel's tests: the interface of `docs/http-api.md` in memory.

It analyses nothing: the bright voxels of an image are its findings. Reviews are the real server's:
its routes, its log and its masks, over a temporary folder. Tests can slow it down, make it refuse,
and take it away and bring it back at the same port with what it had stored.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import struct
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from D24FADSlicerLib.logic.volume_file import VolumeData, read_nifti, write_nifti

from monailabel_app.analysis.encodings import label_volume
from tests.app.review.served import ServedReviews

API = "/d24fad/v1"
THRESHOLD = 4.0


@dataclass
class Store:
    """What the server keeps when it is taken away."""

    files: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    sets: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"default": []})
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, bytes]] = field(default_factory=dict)
    normals: list[float] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)


class ReviewServer:
    """The server; use it as a context manager.

    Attributes:
        store: what it keeps.
        job_s: how long an analysis takes.
        answers: while this is cleared, requests arrive and none is answered.
        change: what results say of a prior; None where they know none.
        nearest: the support that is most like the case, by rank of the finding.
        token: access token asked for; empty for none.
        reviews: the reviews of its results, behind the real routes; their `pacs` says what to say
            of the PACS when a final label is stored.
        uploads: whether volumes may be sent to it.
        alignment: from RAS mm of a case to RAS mm of each support; None for a server too old to
            tell.
        calls: method and path of every request so far.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.job_s = 0.0
        self.answers = threading.Event()
        self.answers.set()
        self.change: dict[str, Any] | None = None
        self.nearest: dict[int, str] = {}
        self.token = ""
        self.alignment: Any = np.eye(4)
        self.uploads = True
        self.calls: list[str] = []
        self.port = 0
        self._folder = tempfile.TemporaryDirectory(
            prefix="d24fad-reviews-",
            ignore_cleanup_errors=True,  # a late request may still write
        )
        self.reviews = ServedReviews(Path(self._folder.name))
        self._server: _Server | None = None

    def __enter__(self) -> ReviewServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def events(self) -> dict[str, list[dict[str, Any]]]:
        """The events of every review, by result."""
        found = {result: self.reviews.review(result) for result in list(self.store.results)}
        return {result: review["events"] for result, review in found.items() if review["events"]}

    @property
    def masks(self) -> list[bytes]:
        """The outlines that reviewers sent, in order."""
        return [
            self.reviews.reviews.masks.get(event["mask"]).read_bytes()
            for events in self.events.values()
            for event in events
            if event["action"] in ("edit", "add")
        ]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the same port as before where there was one."""
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away, breaking the connections that are open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.break_connections()
            self._server.server_close()
            self._server = None

    def reviewed(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The answer of the real review routes."""
        headers = {"Content-Type": "application/json"} if body[:1] == b"{" else {}
        answer = self.reviews.client.request(method, path, content=body, headers=headers)
        return answer.status_code, answer.content

    def add_image(self, name: str, volume: VolumeData) -> None:
        """Put an image among the studies."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.nii.gz"
            digest = write_nifti(path, volume)
            self.store.files[name] = path.read_bytes()
            self.store.hashes[digest] = name

    def add_support(self, name: str, image: str, quality: str = "ok") -> None:
        """Put an image into a support set."""
        checks = [{"name": "outlier", "passed": quality == "ok", "message": "Stands out."}]
        self.store.sets.setdefault(name, []).append(
            {
                "image": image,
                "content_hash": image,
                "confirmed_normal": False,
                "quality": {"state": quality, "checks": checks},
            }
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for request in list(self._open):
            try:
                linger = struct.pack("ii", 1, 0)
                request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                request.close()
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many tests want."""


class Refusal(Exception):  # noqa: N818
    """An error answer."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, "remedy": remedy}


class _Handler(BaseHTTPRequestHandler):
    server_state: ReviewServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _run(self) -> None:
        state = self.server_state
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        state.calls.append(f"{self.command} {self.path}")
        state.answers.wait()
        parts = urlsplit(self.path)
        query = dict(parse_qs(parts.query))
        path = [unquote(part) for part in parts.path.removeprefix(API).strip("/").split("/")]
        try:
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                raise Refusal(401, "unauthorised", "This server needs a token.", "Enter it.")
            if not parts.path.startswith(API):
                raise Refusal(404, "unknown_route", "There is no such route.")
            answer: Any
            if path[0] == "results" and path[2:3] == ["review"]:
                status, answer = state.reviewed(self.command, self.path, body)
            else:
                status, answer = _answer(state.store, state, self.command, path, query, body)
        except Refusal as refusal:
            status, answer = refusal.status, {"error": refusal.error, "detail": str(refusal)}
        binary = isinstance(answer, bytes)
        data = answer if binary else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "application/octet-stream" if binary else "application/json"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _run  # noqa: N815


def _answer(
    store: Store,
    state: ReviewServer,
    method: str,
    path: list[str],
    query: dict[str, list[str]],
    body: bytes,
) -> tuple[int, Any]:
    document = json.loads(body) if body[:1] == b"{" else {}
    match method, path:
        case "GET", [""]:
            return 200, {
                "name": "D24FAD",
                "version": "0.1.0",
                "api_version": 1,
                "checkpoint": {"name": "default"},
                "studies": {
                    "kind": "folder" if state.uploads else "dicomweb",
                    "uploads": state.uploads,
                },
                "default_support_set": "default",
                "limits": {"supports": {"minimum": 2}},
                "options": {"ct_windows": ["body", "brain", "lung", "bone"]},
            }
        case "GET", ["images"]:
            return 200, {"items": [_image(store, state, name) for name in sorted(store.files)]}
        case "GET", ["images", name, "file"]:
            return 200, store.files[_known(name, store.files, "image")]
        case "GET", ["uploads", digest]:
            name = store.hashes[_known(digest, store.hashes, "upload")]
            return 200, {"image": name, "sha256": digest}
        case "PUT", ["uploads", digest]:
            if hashlib.sha256(body).hexdigest() != digest:
                raise Refusal(422, "hash_mismatch", "The file arrived damaged.", "Send it again.")
            name = query["name"][0].removesuffix(".nii.gz")
            if name in store.files:
                raise Refusal(409, "already_exists", f"There is another image '{name}'.")
            store.files[name] = body
            store.hashes[digest] = name
            return 201, {"image": name, "sha256": digest, "bytes": len(body)}
        case "GET", ["support-sets"]:
            return 200, {"items": [_support_set(store, name) for name in sorted(store.sets)]}
        case "POST", ["support-sets"]:
            if document["name"] in store.sets:
                raise Refusal(409, "already_exists", "There is a set of this name.", "Rename it.")
            store.sets[document["name"]] = []
            for image in document.get("studies", []):
                state.add_support(document["name"], image)
            return 201, _support_set(store, document["name"])
        case "GET", ["support-sets", name]:
            return 200, _support_set(store, _known(name, store.sets, "support_set"))
        case "POST", ["support-sets", name, "studies"]:
            _known(document["image"], store.files, "image")
            state.add_support(_known(name, store.sets, "support_set"), document["image"])
            if document.get("confirmed_normal"):
                store.sets[name][-1]["confirmed_normal"] = True
                store.normals.append(2.0)
            return 201, _support_set(store, name)
        case "DELETE", ["support-sets", name, "studies", image]:
            store.sets[name] = [s for s in store.sets[name] if s["image"] != image]
            return 200, _support_set(store, name)
        case "POST", ["support-sets", name, "quality"]:
            for study in store.sets[_known(name, store.sets, "support_set")]:
                study["quality"] = {"state": "ok", "checks": []}
            store.jobs["q"] = {"id": "q", "version": 1, "state": "done", "step": "", "fraction": 1}
            return 202, store.jobs["q"]
        case "POST", ["jobs"]:
            return 202, _start_job(store, state, document)
        case "GET", ["jobs", job]:
            return 200, _follow_job(store, state, _known(job, store.jobs, "job"), query)
        case "DELETE", ["jobs", job]:
            store.jobs[_known(job, store.jobs, "job")]["state"] = "cancelled"
            return 200, store.jobs[job]
        case "GET", ["results"]:
            found = [r for r in store.results.values() if r["image"] == query["image"][0]]
            return 200, {"items": [{"id": r["id"], "image": r["image"]} for r in found][::-1]}
        case "GET", ["results", result]:
            return 200, store.results[_known(result, store.results, "result")]
        case "GET", ["results", result, ("heatmap" | "mask") as kind]:
            return 200, store.volumes[_known(result, store.volumes, "result")][kind]
        case "GET", ["results", result, "matches"] if state.alignment is not None:
            supports = store.results[_known(result, store.results, "result")]["report"][
                "provenance"
            ]["supports"]
            rows = np.asarray(state.alignment).tolist()
            matches = [{"image": s["name"], "query_to_support": rows} for s in supports]
            return 200, {"result": result, "items": matches}
        case "GET", ["next"]:
            taken = set(query.get("exclude", []))
            taken |= {s["image"] for studies in store.sets.values() for s in studies}
            taken |= {r["image"] for r in list(store.results.values()) if _is_reviewed(state, r)}
            left = [name for name in sorted(store.files) if name not in taken]
            if not left:
                raise Refusal(404, "nothing_left", "Every case is reviewed.", "Add studies.")
            reason = f"First of {len(left)} unreviewed images."
            return 200, {"image": left[0], "reason": reason, "remaining": len(left)}
        case "GET", ["calibration"]:
            count = len(store.normals)
            curve = [
                {
                    "threshold": score,
                    "false_positive_rate": (1 + sum(s >= score for s in store.normals))
                    / (count + 1),
                }
                for score in sorted(set(store.normals))
            ]
            return 200, {
                "normal_patients": count,
                "statement": f"{count} normal patients.",
                "curve": curve,
            }
    raise Refusal(404, "unknown_route", f"There is no {method} {'/'.join(path)}.")


def _known(name: str, among: Any, what: str) -> str:
    if name not in among:
        raise Refusal(404, f"unknown_{what}", f"There is no {what} '{name}'.", "Refresh the list.")
    return name


def _is_reviewed(state: ReviewServer, result: dict[str, Any]) -> bool:
    return bool(state.reviews.review(result["id"])["state"] == "reviewed")


def _image(store: Store, state: ReviewServer, name: str) -> dict[str, Any]:
    results = [r for r in store.results.values() if r["image"] == name]
    return {
        "image": name,
        "title": store.titles.get(name, name),
        "sha256": next((d for d, n in store.hashes.items() if n == name), None),
        "modality": "MR",
        "state": "reviewed" if results and _is_reviewed(state, results[-1]) else "unreviewed",
        "result": results[-1]["id"] if results else None,
        "case_score": results[-1]["report"]["case_score"] if results else None,
    }


def _support_set(store: Store, name: str) -> dict[str, Any]:
    studies = store.sets[name]
    return {
        "name": name,
        "title": name.capitalize(),
        "usable": len(studies) >= 2,
        "studies": studies,
        "quality": {
            "state": "checked",
            "statement": f"{len(studies)} studies agree with one another.",
        },
    }


def _start_job(store: Store, state: ReviewServer, document: dict[str, Any]) -> dict[str, Any]:
    image = _known(document["image"], store.files, "image")
    name = document.get("support_set") or "default"
    support = document.get("support") or [s["image"] for s in store.sets[name]]
    if len(support) < 2:
        raise Refusal(
            422,
            "too_few_supports",
            f"The support set '{name}' has {len(support)} studies; at least 2 are needed.",
            "Add normal studies of the same kind to the set.",
        )
    job = f"j-{len(store.jobs) + 1}"
    store.jobs[job] = {
        "id": job,
        "version": 1,
        "state": "running",
        "step": "Scoring slices",
        "fraction": 0.0,
        "queue_position": 0,
        "image": image,
        "support_set": name,
        "support": support,
        "options": document.get("options", {}),
        "began": time.monotonic(),
        "result": None,
        "error": None,
    }
    return store.jobs[job]


def _follow_job(
    store: Store, state: ReviewServer, name: str, query: dict[str, list[str]]
) -> dict[str, Any]:
    job = store.jobs[name]
    wait = float(query.get("wait", ["0"])[0])
    job_s = state.job_s  # a test may change it meanwhile
    remaining = job["began"] + job_s - time.monotonic()
    if job["state"] == "running" and remaining > 0:
        time.sleep(min(wait, remaining, 0.05))
        job["version"] += 1
        job["fraction"] = min((time.monotonic() - job["began"]) / job_s, 0.99)
    elif job["state"] == "running":
        job.update(state="done", fraction=1.0, version=job["version"] + 1)
        job["result"] = _analyse(store, state, job)
    return job


def _nifti(volume: VolumeData) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        write_nifti(path, volume)
        return path.read_bytes()


def read_bytes(content: bytes) -> VolumeData:
    """A volume from the bytes of a .nii.gz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        path.write_bytes(content if content[:2] == b"\x1f\x8b" else gzip.compress(content))
        return read_nifti(path)


def _analyse(store: Store, state: ReviewServer, job: dict[str, Any]) -> str:
    threshold = float(job["options"].get("threshold") or THRESHOLD)
    volume = read_bytes(store.files[job["image"]])
    heatmap = np.clip(volume.array.astype(np.float32) / 100 - 1, 0, None)
    affine = volume.affine
    key = json.dumps([job["image"], job["support"], job["options"], str(sorted(store.hashes))])
    result = hashlib.sha256(key.encode()).hexdigest()
    shares = 1 / len(job["support"])
    digest = next((d for d, name in store.hashes.items() if name == job["image"]), "")
    state.reviews.hashes[job["image"]] = digest
    stored = state.reviews.put(result, job["image"], heatmap.transpose(), affine, threshold)
    ranks, _ = label_volume(stored.mask, stored.findings)
    store.results[result] = {
        "id": result,
        "image": job["image"],
        "support_set": job["support_set"],
        "report": {
            "case_score": float(heatmap.max()),
            "slice_axis": 2,
            "slice_scores": [float(layer.max()) for layer in heatmap],
            "findings": [
                {**finding, "nearest_normal": state.nearest.get(finding["rank"])}
                for finding in stored.report["findings"]
            ],
            "change": state.change,
            "calibration": {
                "threshold": threshold,
                "p_value": 0.2,
                "normal_patients": 4,
                "statement": "4 normal patients cannot certify a rate below 20 %.",
            },
            "geometry": {"affine": affine.tolist(), "shape": list(heatmap.shape[::-1])},
            "provenance": {
                "supports": [
                    {"name": name, "content_hash": name, "share": shares} for name in job["support"]
                ]
            },
        },
    }
    store.volumes[result] = {
        "heatmap": _nifti(VolumeData(heatmap, affine)),
        "mask": _nifti(VolumeData(ranks.transpose(), affine)),
    }
    return result
