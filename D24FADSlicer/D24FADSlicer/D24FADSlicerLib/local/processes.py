"""Programs that the module starts: without a console window, ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError


def start(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, **streams: Any
) -> subprocess.Popen[str]:
    """Start a program whose streams are text.

    Args:
        command: the program and its arguments.
        variables: its whole environment.
        folder: where it works.
        streams: `stdin`, `stdout` and `stderr` as `subprocess.Popen` takes them.

    Raises:
        ExplainedError: there is no such program, or it must not be run.
    """
    try:
        return subprocess.Popen(
            list(command),
            env=dict(variables),
            cwd=str(folder),
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name == "posix",  # a group of its own, to end it whole
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            **streams,
        )
    except OSError as error:
        raise ExplainedError(
            _("'{program}' cannot be run ({reason}).").format(
                program=command[0], reason=error.strerror or type(error).__name__
            ),
            _("Choose another Python beside Python in the Setup tab, or leave the field empty."),
            "no_program",
        ) from error


def end(process: subprocess.Popen[str]) -> None:
    """End a program and what it started, at once; one that has ended is left alone."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it ended meanwhile
    else:
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            check=False,
            capture_output=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    task: Task,
    on_line: Callable[[str], None],
) -> int:
    """Run a program to its end; for a worker.

    Args:
        command: the program and its arguments.
        variables: its whole environment.
        folder: where it works.
        task: for cancelling, which ends the program.
        on_line: gets each line that the program writes.

    Returns:
        Its exit status.

    Raises:
        ExplainedError: it cannot be started.
        CancelledError: the user cancelled.
    """
    process = start(
        command,
        variables,
        folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        task.cancellation.on_cancel(lambda: end(process))
        for line in process.stdout or ():
            on_line(line.rstrip())
        status = process.wait()
    finally:
        task.cancellation.on_cancel(None)
        end(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    task.cancellation.check()
    return status
