"""Getting a volume of the scene to the server once, whoever needs it there."""

from __future__ import annotations

from dataclasses import dataclass

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.volume_file import VolumeData, content_of
from .api import Client


@dataclass(frozen=True)
class Stored:
    """A volume that the server has.

    Attributes:
        image: its id on the server.
        content: fingerprint of its voxels.
        in_pacs: whether it is a series of the PACS that the server reads from, and so is never
            sent.
    """

    image: str
    content: str
    in_pacs: bool = False


def ensure_stored(
    client: Client, volume: VolumeData, name: str, known: Stored | None, task: Task
) -> Stored:
    """Send a volume unless the server has it; for a worker.

    Args:
        client: the server.
        volume: a snapshot of the volume.
        name: what to call it.
        known: what the scene remembers of an earlier upload or download.
        task: for progress and cancelling.
    """
    task.report(_("Preparing the volume"))
    content = content_of(volume)
    if known is not None and known.image and (known.in_pacs or known.content == content):
        return Stored(known.image, content, known.in_pacs)
    image, _digest = client.upload(volume, name, task)
    return Stored(image, content)
