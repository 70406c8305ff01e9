"""The states of the server on this computer, and what they let the user do.

Nothing happens here: the panel does the work of a state and names the event that ended it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from .language import tr as _

_RESTARTS = 2
"""How often a server that dies is started again by itself."""


class Phase(Enum):
    """Where the server on this computer stands."""

    LOOKING = "looking"
    """The packages are looked for."""
    ABSENT = "absent"
    """They have yet to be installed."""
    INSTALLING = "installing"
    READY = "ready"
    """The server can be started."""
    STARTING = "starting"
    RUNNING = "running"
    DIED = "died"
    """It ended by itself."""
    STOPPING = "stopping"
    FAILED = "failed"
    """Something that the user has to mend; then the packages are looked for again."""


class Event(Enum):
    """What changes the phase."""

    LOOK = "look"
    FOUND = "found"
    MISSED = "missed"
    PRESS = "press"
    """The user pressed the button."""
    INSTALLED = "installed"
    SERVES = "serves"
    DIE = "die"
    RESTART = "restart"
    STOPPED = "stopped"
    FAIL = "fail"


_IDLE = (Phase.ABSENT, Phase.READY, Phase.DIED, Phase.FAILED)
_AFTER: dict[tuple[Phase, Event], Phase] = {
    **{(phase, Event.LOOK): Phase.LOOKING for phase in (*_IDLE, Phase.LOOKING)},
    (Phase.LOOKING, Event.FOUND): Phase.READY,
    (Phase.LOOKING, Event.MISSED): Phase.ABSENT,
    (Phase.LOOKING, Event.FAIL): Phase.FAILED,
    (Phase.ABSENT, Event.PRESS): Phase.INSTALLING,
    (Phase.INSTALLING, Event.INSTALLED): Phase.STARTING,
    (Phase.INSTALLING, Event.FAIL): Phase.FAILED,
    (Phase.INSTALLING, Event.PRESS): Phase.ABSENT,
    (Phase.READY, Event.PRESS): Phase.STARTING,
    (Phase.STARTING, Event.SERVES): Phase.RUNNING,
    (Phase.STARTING, Event.FAIL): Phase.FAILED,
    (Phase.STARTING, Event.PRESS): Phase.READY,
    (Phase.RUNNING, Event.PRESS): Phase.STOPPING,
    (Phase.RUNNING, Event.DIE): Phase.DIED,
    (Phase.STOPPING, Event.STOPPED): Phase.READY,
    (Phase.DIED, Event.RESTART): Phase.STARTING,
    (Phase.DIED, Event.PRESS): Phase.STARTING,
    (Phase.FAILED, Event.PRESS): Phase.LOOKING,
}


@dataclass(frozen=True)
class LocalMode:
    """The state of the server on this computer.

    Attributes:
        phase: where it stands.
        deaths: how often it ended by itself since the user last pressed the button.
    """

    phase: Phase = Phase.LOOKING
    deaths: int = 0

    def after(self, event: Event) -> LocalMode:
        """The state after an event.

        Raises:
            ValueError: the event cannot happen in this phase.
        """
        phase = _AFTER.get((self.phase, event))
        if phase is None:
            raise ValueError(f"'{event.value}' cannot happen while '{self.phase.value}'.")
        deaths = {Event.PRESS: 0, Event.DIE: self.deaths + 1}.get(event, self.deaths)
        return replace(self, phase=phase, deaths=deaths)

    @property
    def restarts(self) -> bool:
        """Whether a server that has died is started again without asking."""
        return self.phase is Phase.DIED and self.deaths <= _RESTARTS

    @property
    def is_busy(self) -> bool:
        """Whether work is under way, whose progress is shown."""
        return self.phase in (Phase.LOOKING, Phase.INSTALLING, Phase.STARTING, Phase.STOPPING)

    @property
    def can_be_changed(self) -> bool:
        """Whether folder and Python can be chosen."""
        return self.phase in (*_IDLE, Phase.LOOKING)

    @property
    def can_press(self) -> bool:
        """Whether the button does something."""
        return (self.phase, Event.PRESS) in _AFTER

    @property
    def button(self) -> str:
        """What the button does, in one or two words."""
        words = {
            Phase.ABSENT: _("Install and start"),
            Phase.INSTALLING: _("Cancel"),
            Phase.STARTING: _("Cancel"),
            Phase.RUNNING: _("Stop"),
            Phase.STOPPING: _("Stop"),
            Phase.DIED: _("Start again"),
            Phase.FAILED: _("Try again"),
        }
        return words.get(self.phase, _("Start"))

    def statement(self, folder: str) -> str:
        """How it stands, in a sentence or two.

        Args:
            folder: where packages are installed.
        """
        sentences = {
            Phase.LOOKING: _("Looking for the packages of the server…"),
            Phase.ABSENT: _(
                "The packages of the server are not there yet. Install and start lets pip download "
                "them (0.5 to 4 GB) into {folder}; Slicer's own packages stay as they are. Your "
                "studies never leave this computer."
            ),
            Phase.INSTALLING: _("Installing the packages of the server…"),
            Phase.STARTING: _("Starting the server…"),
            Phase.READY: _("Everything is there; your studies never leave this computer."),
            Phase.RUNNING: _("The server runs on this computer, for Slicer alone."),
            Phase.DIED: _("The server has ended by itself."),
            Phase.STOPPING: _("Stopping…"),
            Phase.FAILED: _("That did not work; the message above says why."),
        }
        return sentences.get(self.phase, "").format(folder=folder)
