"""How often servers are killed."""

import os

VARIABLE = "D24FAD_KILL_ROUNDS"


def kill_rounds(usual: int) -> int:
    """The usual number of rounds, or the one that whoever runs the tests asks for."""
    return int(os.environ.get(VARIABLE, usual))
