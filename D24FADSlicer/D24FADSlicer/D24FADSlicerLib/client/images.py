"""Images on the server: the list of them, the next one to read, up and down."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import ImageEntry, NextCase, items, malformed
from ..logic.volume_file import VolumeData, write_nifti
from .calls import ROOT, Calls, cancellation_of, path_part, query_of

STRATEGIES = ("most_anomalous", "most_uncertain", "unreviewed")


class ImageCalls(Calls):
    """Calls about images."""

    def images(self, support_set: str | None = None, task: Task | None = None) -> list[ImageEntry]:
        """Every image on the server with its review state."""
        query = query_of(support_set=support_set)
        listed = self._get(f"/images{query}", cancellation_of(task))
        return [ImageEntry.read(entry) for entry in items(listed)]

    def next_case(
        self, strategy: str, support_set: str, exclude: Sequence[str], task: Task
    ) -> NextCase:
        """The case to look at next.

        Raises:
            ExplainedError: with code `nothing_left` when every case has been reviewed.
        """
        query = query_of(strategy=strategy, support_set=support_set, exclude=list(exclude))
        return NextCase.read(self._get(f"/next{query}", task.cancellation))

    def fetch_image(self, image: str, task: Task) -> VolumeData:
        """Download an image."""
        path = f"/images/{path_part(image)}/file?format=nifti"
        return self._fetch(path, _("Downloading {image}").format(image=image), task)

    def upload(self, volume: VolumeData, name: str, task: Task) -> tuple[str, str]:
        """Make sure that the server has a volume; one it has already is not sent again.

        Args:
            volume: the voxels.
            name: what to call it, without ending; characters the server refuses are replaced.
            task: for progress and cancelling.

        Returns:
            The image's id on the server and the SHA-256 of the file.
        """
        task.report(_("Preparing the volume"))
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "volume.nii.gz"
            digest = write_nifti(file, volume)
            task.cancellation.check()
            known = self.known_upload(digest, task)
            if known is not None:
                return known, digest
            return self._send_new(file, digest, _plain_name(name), task), digest

    def known_upload(self, digest: str, task: Task) -> str | None:
        """The id of the image with this content, or None."""
        try:
            return str(self._get(f"/uploads/{digest}", task.cancellation)["image"])
        except ExplainedError as problem:
            if problem.code != "unknown_upload":
                raise
            return None
        except KeyError:
            raise malformed("an upload has no 'image'") from None

    def _send_new(self, file: Path, digest: str, name: str, task: Task) -> str:
        def report(sent: int, total: int) -> None:
            text = _("Uploading {sent:.0f} of {total:.0f} MB")
            task.report(text.format(sent=sent / 1e6, total=total / 1e6), sent / max(total, 1))

        for candidate in (name, f"{name[:50]}-{digest[:12]}"):
            query = query_of(name=f"{candidate}.nii.gz")
            try:
                path = f"{ROOT}/uploads/{digest}{query}"
                return str(self._http.upload(path, file, task.cancellation, report)["image"])
            except ExplainedError as problem:
                if problem.code != "already_exists" or candidate != name:
                    raise
        raise malformed("an upload was refused twice")


def _plain_name(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return plain.strip("._")[:60] or "volume"
