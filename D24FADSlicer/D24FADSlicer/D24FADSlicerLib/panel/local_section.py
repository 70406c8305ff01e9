"""The section of the server on this computer: packages, folder of studies, start and stop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer

from ..local.environment import Environment, Installer, source_of
from ..local.pythons import Python
from ..local.server import LocalServer, start_server
from ..logic.jobs import Jobs, Progress, Task
from ..logic.language import tr as _
from ..logic.local_mode import Event, LocalMode, Phase
from ..logic.messages import ExplainedError
from .connection_section import ConnectionSection
from .context import Context

EXTENSION = Path(__file__).resolve().parents[3]
_MODE, _STUDIES, _PYTHON = "D24FAD/Mode", "D24FAD/Studies", "D24FAD/Python"
_LOCAL, _SERVER = "local", "server"


class LocalSection:
    """Starts and stops the server on this computer, and connects the panel to it.

    Args:
        context: what the sections share.
        connection: connects.
    """

    def __init__(self, context: Context, connection: ConnectionSection) -> None:
        self._context = context
        self._connection = connection
        # Of its own: closing the scene cancels the other jobs, but not an installation.
        self._jobs = Jobs()
        self._job: int | None = None
        self._mode = LocalMode()
        self._environment: Environment | None = None
        self._server: LocalServer | None = None
        self._studies: Path | None = None
        self._starts_when_found = False
        self._shows_review = False
        self._was_restarted = False
        folder = qt.QStandardPaths.writableLocation(qt.QStandardPaths.AppLocalDataLocation)
        self._installer = Installer(Path(str(folder)) / "D24FAD", source_of(EXTENSION))
        ui, settings = context.ui, qt.QSettings()
        default = _SERVER if connection.is_known else _LOCAL
        self.is_chosen = str(settings.value(_MODE, "") or default) == _LOCAL
        ui.studiesEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.studiesEdit.currentPath = str(settings.value(_STUDIES, "") or "")
        ui.pythonEdit.currentPath = str(settings.value(_PYTHON, "") or "")
        self.is_known = self.is_chosen and bool(ui.studiesEdit.currentPath)
        ui.localRadio.checked = self.is_chosen
        ui.serverRadio.checked = not self.is_chosen
        ui.localRadio.connect("toggled(bool)", self._chosen)
        ui.pythonEdit.connect("currentPathChanged(QString)", self._python_changed)
        ui.localButton.connect("clicked(bool)", lambda: context.try_to(self._press))
        context.on("connected", self._connected)
        context.on("support", self._show_review)
        self._show()

    def enter(self) -> None:
        """The panel shows: look for the packages, and start again what ran the last time."""
        if self.is_chosen and self._mode == LocalMode() and not self._jobs.is_live(self._job):
            self._starts_when_found = self.is_known
            self._look()

    def close(self) -> None:
        """The panel goes away, and with it the server and an installation that is under way."""
        self._jobs.cancel_all()
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def tick(self) -> None:
        """Hand on what the workers reported, and see whether the server still runs."""
        self._jobs.drain()
        server = self._server
        if self._mode.phase is Phase.RUNNING and server is not None and server.status is not None:
            self._died(server)

    def _chosen(self, local: bool) -> None:
        self.is_chosen = local
        self._leave()
        self.close()
        self._context.clear_message()
        self._mode = LocalMode()
        qt.QSettings().setValue(_MODE, _LOCAL if local else _SERVER)
        self._show()
        if local:
            self._look()

    def _python_changed(self, path: str) -> None:
        # It is typed letter by letter: a part of a path is no Python.
        if self._mode.can_be_changed and (not path or Path(path).is_file()):
            self._context.clear_message()
            self._look()

    def _press(self) -> None:
        phase = self._mode.phase
        if phase in (Phase.INSTALLING, Phase.STARTING):
            self._jobs.cancel(self._job)
            self._leave()
            self._advance(Event.PRESS)
        elif phase is Phase.RUNNING:
            self._advance(Event.PRESS)
            self._stop()
        elif phase is Phase.FAILED:
            self._starts_when_found = True
            self._look()
        else:
            self._studies = self._chosen_studies()
            self._shows_review = True
            self._advance(Event.PRESS)
            if self._mode.phase is Phase.INSTALLING:
                self._install()
            else:
                self._start(None)

    def _chosen_studies(self) -> Path:
        """The folder of studies.

        Raises:
            ExplainedError: none is chosen, or it is not there.
        """
        path = str(self._context.ui.studiesEdit.currentPath).strip()
        if not path or not Path(path).is_dir():
            raise ExplainedError(
                _("There is no folder of studies '{path}'.").format(path=path)
                if path
                else _("No folder of studies is chosen."),
                _("Choose one beside Studies; the normal ones in it are called support-…"),
                "no_folder",
            )
        return Path(path)

    def _python(self) -> Python:
        path = str(self._context.ui.pythonEdit.currentPath).strip()
        if path:
            return Python.chosen(path, slicer.util.startupEnvironment())
        return Python.of_slicer(os.environ)

    def _look(self) -> None:
        self._jobs.cancel(self._job)
        self._advance(Event.LOOK)
        python, installer = self._python(), self._installer

        def look(task: Task) -> tuple[Environment | None]:
            return (installer.find(python, task),)

        def receive(answer: tuple[Environment | None]) -> None:
            (self._environment,) = answer
            self._advance(Event.MISSED if self._environment is None else Event.FOUND)
            starts, self._starts_when_found = self._starts_when_found, False
            if starts and self._environment is not None:
                self._context.try_to(self._press)

        self._work(look, receive)

    def _install(self) -> None:
        python, installer = self._python(), self._installer

        def install(task: Task) -> Environment:
            return installer.install(python, task)

        def receive(environment: Environment) -> None:
            self._environment = environment
            self._advance(Event.INSTALLED)
            self._start(None)

        self._work(install, receive)

    def _start(self, dead: LocalServer | None) -> None:
        """Start the server; in the place of one that has died, so that its clients find it."""
        environment, studies = self._environment, self._studies
        if environment is None or studies is None:
            raise ValueError("A server is started where there are packages and a folder.")
        spot = None if dead is None else dead.spot

        def start(task: Task) -> LocalServer:
            server = start_server(environment, studies, spot, task)
            task.cancellation.on_cancel(server.kill)  # as long as it is nobody's
            return server

        def receive(server: LocalServer) -> None:
            self._server = server
            self._advance(Event.SERVES)
            settings = qt.QSettings()
            settings.setValue(_MODE, _LOCAL)
            settings.setValue(_STUDIES, str(studies))
            settings.setValue(_PYTHON, str(self._context.ui.pythonEdit.currentPath))
            self._connection.connect_to(server.url, server.token)

        self._work(start, receive)

    def _stop(self) -> None:
        server, self._server = self._server, None
        self._leave()

        def stop(task: Task) -> None:
            if server is not None:
                server.stop()

        self._work(stop, lambda _nothing: self._advance(Event.STOPPED))

    def _died(self, server: LocalServer) -> None:
        self._server = None
        self._advance(Event.DIE)
        problem = server.problem_of_death()
        self._connection.lost(problem)
        if self._mode.restarts:
            remedy = _("It is being started again; what it was working on, it does again.")
            self._context.tell(ExplainedError(problem.cause, remedy))
            self._advance(Event.RESTART)
            self._was_restarted = True
            self._start(server)
        else:
            server.stop()
            self._leave()
            remedy = _("Press Start again in the Setup tab; its last words are in Slicer's log.")
            self._context.tell(ExplainedError(problem.cause, remedy))

    def _leave(self) -> None:
        """Nobody waits any longer for a server that is not coming back."""
        self._was_restarted = False
        self._connection.leave()
        self._context.jobs.cancel_all()
        self._context.fire("left")

    def _work(self, work: Callable[[Task], Any], done: Callable[[Any], None]) -> None:
        self._job = self._jobs.start("", work, done, self._failed, self._progress)

    def _failed(self, problem: ExplainedError) -> None:
        self._leave()
        self._advance(Event.FAIL)
        self._context.tell(problem)

    def _progress(self, progress: Progress) -> None:
        self._context.ui.localLabel.text = progress.step

    def _advance(self, event: Event) -> None:
        self._mode = self._mode.after(event)
        self._show()

    def _show(self) -> None:
        ui, mode = self._context.ui, self._mode
        ui.localPage.visible = self.is_chosen
        ui.serverPage.visible = not self.is_chosen
        ui.localButton.text = mode.button
        ui.localButton.enabled = mode.can_press
        ui.studiesEdit.enabled = ui.pythonEdit.enabled = mode.can_be_changed
        ui.localProgressBar.visible = mode.is_busy
        ui.localLabel.text = mode.statement(_shown(self._installer.folder))

    def _connected(self) -> None:
        if self._was_restarted and self._mode.phase is Phase.RUNNING:
            self._was_restarted = False
            self._context.note(_("The server on this computer runs again."))

    def _show_review(self) -> None:
        """All is set up: what comes next is a case."""
        support_set, ui = self._context.support_set, self._context.ui
        if not self._shows_review or support_set is None:
            return
        self._shows_review = False
        if support_set.usable and ui.tabs.currentWidget() is ui.setupPage:
            ui.tabs.setCurrentWidget(ui.reviewPage)


def _shown(folder: Path) -> str:
    """A folder as people write it."""
    home = Path.home()
    return f"~/{folder.relative_to(home).as_posix()}" if home in folder.parents else str(folder)
