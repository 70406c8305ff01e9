"""The states of local mode, and what pip writes as progress and problems; no program is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from D24FADSlicerLib.logic.installation import InstallationProgress, problem_of_installation
from D24FADSlicerLib.logic.jobs import Cancellation
from D24FADSlicerLib.logic.local_mode import Event, LocalMode, Phase


def after(*events: Event) -> LocalMode:
    mode = LocalMode()
    for event in events:
        mode = mode.after(event)
    return mode


RUNNING = (Event.FOUND, Event.PRESS, Event.SERVES)


def test_from_nothing_to_a_server_that_runs() -> None:
    assert after(Event.MISSED).phase is Phase.ABSENT
    assert after(Event.MISSED).button == "Install and start"
    installing = after(Event.MISSED, Event.PRESS)
    assert installing.phase is Phase.INSTALLING and installing.button == "Cancel"
    assert installing.after(Event.PRESS).phase is Phase.ABSENT
    starting = installing.after(Event.INSTALLED)
    assert starting.phase is Phase.STARTING
    running = starting.after(Event.SERVES)
    assert running.phase is Phase.RUNNING and running.button == "Stop"
    stopping = running.after(Event.PRESS)
    assert stopping.phase is Phase.STOPPING and not stopping.can_press
    assert stopping.after(Event.STOPPED).phase is Phase.READY


def test_nothing_is_installed_before_the_user_has_read_where_to() -> None:
    ways_in = {
        (phase, event)
        for phase in Phase
        for event in Event
        if phase is not Phase.INSTALLING and _phase_after(phase, event) is Phase.INSTALLING
    }
    assert ways_in == {(Phase.ABSENT, Event.PRESS)}
    statement = after(Event.MISSED).statement("/home/user/D24FAD")
    assert "pip download" in statement and "/home/user/D24FAD" in statement
    assert "Slicer's own packages stay as they are" in statement


def _phase_after(phase: Phase, event: Event) -> Phase | None:
    try:
        return LocalMode(phase).after(event).phase
    except ValueError:
        return None


def test_a_server_that_dies_is_started_again_twice_and_then_asked_for() -> None:
    mode = after(*RUNNING)
    for _ in range(2):
        mode = mode.after(Event.DIE)
        assert mode.restarts
        mode = mode.after(Event.RESTART).after(Event.SERVES)
    mode = mode.after(Event.DIE)
    assert not mode.restarts and mode.button == "Start again"
    mode = mode.after(Event.PRESS).after(Event.SERVES).after(Event.DIE)
    assert mode.restarts, "pressing the button begins anew"


def test_a_server_that_dies_while_it_starts_is_not_started_again_by_itself() -> None:
    mode = after(*RUNNING, Event.DIE, Event.RESTART, Event.FAIL)
    assert mode.phase is Phase.FAILED and not mode.restarts and mode.can_press


def test_every_phase_says_something_and_has_a_way_out() -> None:
    for phase in Phase:
        mode = LocalMode(phase)
        assert mode.statement("folder") and mode.button
        assert any(_phase_after(phase, event) for event in Event), phase
        assert mode.is_busy != mode.can_be_changed or phase in (Phase.LOOKING, Phase.RUNNING)


def test_what_cannot_happen_is_refused() -> None:
    with pytest.raises(ValueError, match="'serves' cannot happen while 'looking'"):
        LocalMode().after(Event.SERVES)


def test_what_pip_writes_is_shown_as_progress() -> None:
    progress = InstallationProgress()
    lines = [
        "Collecting torch>=2.4 (from d24fad[local]==0.1.0)",
        "  Obtaining dependency information for torch from https://example/torch.metadata",
        "  Downloading torch-2.9.0-cp312-cp312-manylinux_2_28_x86_64.whl (899.7 MB)",
        "Collecting typing_extensions",
        "Installing collected packages: mpmath, torch, d24fad",
    ]
    steps = [step.step for step in map(progress.read, lines) if step is not None]
    assert steps == [
        "Package 1: torch",
        "Package 1: downloading torch, 899.7 MB",
        "Package 2: typing_extensions",
        "Unpacking 3 packages",
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left",
            "disk_full",
        ),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk_full"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...", "tls"),
        ("after connection broken by 'NewConnectionError('...: [Errno 111] refused", "no_network"),
        (
            "ReadTimeoutError(\"HTTPSConnectionPool(host='x', port=443): Read timed out.",
            "no_network",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] ...", "forbidden"),
        ("ERROR: something else", "not_installed"),
    ],
)
def test_a_problem_of_pip_has_a_cause_and_a_remedy(line: str, code: str) -> None:
    # Whatever came first, pip ends by saying that it found nothing.
    last = "ERROR: No matching distribution found for d24fad[local]==0.1.0"
    lines = [line] if code == "not_installed" else [line, last]
    problem = problem_of_installation(lines, Path("/home/user/D24FAD/python312"))
    assert problem.code == code
    assert problem.cause and problem.remedy


def test_a_package_that_the_index_lacks_is_named() -> None:
    lines = ["ERROR: No matching distribution found for highdicom<1,>=0.22"]
    problem = problem_of_installation(lines, Path("folder"))
    assert problem.code == "no_package" and "highdicom<1,>=0.22" in problem.cause


def test_cancelling_ends_what_is_waited_on_also_when_it_begins_too_late() -> None:
    cancellation, calls = Cancellation(), []
    cancellation.on_cancel(lambda: calls.append("first"))
    cancellation.on_cancel(None)
    cancellation.cancel()
    assert calls == []
    cancellation.on_cancel(lambda: calls.append("second"))
    assert calls == ["second"]
