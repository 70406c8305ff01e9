"""Running the training process from the server: progress, cancel, and its end."""

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from d24fad_core.files import write_text
from d24fad_core.progress import Progress
from monailabel_app.failures import RequestError
from monailabel_app.training.plan import PLAN_FILE, VERDICT_FILE, TrainingPlan

_LOG_FILE = "log.txt"
_POLL_SECONDS = 0.3
_STOP_SECONDS = 5.0
_KILLED = -9

logger = logging.getLogger(__name__)


def run_training(folder: Path, plan: TrainingPlan, progress: Progress) -> dict[str, Any]:
    """Train in a process of its own; in a folder that holds a stopped run, go on with that one.

    Args:
        folder: folder of the run.
        plan: what to do; that of a stopped run is the one that it was begun with.
        progress: asked several times a second; what it raises ends the process.

    Returns:
        The verdict, see `comparison.Verdict`.

    Raises:
        RequestError: the training failed.
    """
    write_text(folder / PLAN_FILE, plan.to_json())
    environment = {
        **os.environ,
        # The app need not be installed where Python finds it by itself.
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "OMP_NUM_THREADS": str(plan.threads),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    with (folder / _LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "monailabel_app.training", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    try:
        failure = _follow(process, progress)
    finally:
        _stop(process)
    if process.returncode == 0:
        verdict: dict[str, Any] = json.loads((folder / VERDICT_FILE).read_text(encoding="utf-8"))
        return verdict
    if failure is not None:
        raise RequestError("unsuitable_image", *failure)
    if process.returncode == _KILLED:
        raise RequestError(
            "out_of_memory",
            "The training was ended by the system, most likely for want of memory.",
            "Give the server more memory, or train on another machine with d24fad train.",
        )
    log_text = (folder / _LOG_FILE).read_text(encoding="utf-8", errors="replace")
    logger.error("The training failed:\n%s", log_text[-4000:])
    raise RequestError(
        "internal_error",
        f"The training ended with status {process.returncode}.",
        "Ask the operator to look at the server's log.",
    )


def _follow(process: "subprocess.Popen[bytes]", progress: Progress) -> tuple[str, str] | None:
    """Hand on what the process says until it ends; returns cause and remedy of its error, if it
    named one.
    """
    lines: queue.Queue[bytes | None] = queue.Queue()
    if process.stdout is None:
        raise ValueError("The process was started without a pipe.")
    threading.Thread(target=_listen, args=(process.stdout, lines), daemon=True).start()
    step, fraction = "Starting", 0.0
    failure: tuple[str, str] | None = None
    while True:
        progress(step, fraction)
        try:
            line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            process.wait()
            return failure
        # A library may print; what is no JSON object is not ours.
        with contextlib.suppress(json.JSONDecodeError, TypeError, KeyError):
            document = json.loads(line)
            if "error" in document:
                error = document["error"]
                failure = str(error["cause"]), str(error["remedy"])
            else:
                step, fraction = document["step"], document["fraction"]


def _listen(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
