"""The end of a process while a thread of it may still compute."""

import atexit
import contextlib
import os
import sys
from typing import NoReturn


def end_process(status: int) -> NoReturn:
    """End this process as Python does, but leave its libraries standing.

    ITK takes down what its filters use when the process ends; an analysis that is under way in a
    thread then crashes the process.

    Args:
        status: exit status.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(status)
