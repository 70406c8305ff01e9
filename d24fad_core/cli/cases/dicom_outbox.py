"""DICOM results of a command: refused early where there can be none, else written and sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import ConfigurationError
from d24fad_core.extras import extra
from d24fad_core.volumes.volume import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from d24fad_core.change.result import ChangeResult
    from d24fad_core.export.dicom.changes import ChangeObjects
    from d24fad_core.export.dicom.objects import DicomObjects
    from d24fad_core.export.dicom.source import DicomSource


@dataclass(frozen=True, eq=False)
class DicomOutbox:
    """Where DICOM results go.

    Attributes:
        source: the series that is analysed.
        folder: where they are written.
        client: of the archive that they are sent to; None sends nothing.
        prior_images: headers of the prior's images; none where it is no DICOM series.
    """

    source: "DicomSource"
    folder: Path
    client: Any = None
    prior_images: "Sequence[Dataset]" = ()

    @classmethod
    def open(
        cls, image: Path, query: Volume, out: Path, url: str | None, prior: Path | None = None
    ) -> "DicomOutbox":
        """Check that there can be DICOM results, before minutes are spent on the analysis.

        Args:
            image: the study as it was named.
            query: what was read of it.
            out: folder of all results.
            url: DICOMweb service to send to; None for none.
            prior: an earlier study of the patient.

        Raises:
            ConfigurationError: the study is no DICOM series, was reduced, or a package is missing.
            InputError: the series cannot be referred to.
        """
        if not image.is_dir():
            raise ConfigurationError(
                f"{image}: is no folder with a DICOM series, so there can be no DICOM results",
                "leave out --dicom and --stow.",
            )
        if query.reduction is not None:
            raise ConfigurationError(
                f"{image}: was reduced while it was read, so its results are on no DICOM image",
                "leave out --dicom and --stow, or raise --reduce-above.",
            )
        with extra("dicom", "writing DICOM results"):
            import highdicom  # noqa: F401 - the writers need it

            from d24fad_core.export.dicom.source import read_headers, read_source
            from d24fad_core.export.dicom.stow import stow_client
        client = None if url is None else stow_client(url)
        source = read_source(image, query.shape, query.affine)
        earlier = read_headers(prior) if prior is not None and prior.is_dir() else ()
        return cls(source, out / "dicom", client, earlier)

    def deliver(
        self, query: Volume, result: AnomalyResult, change: "ChangeResult | None" = None
    ) -> None:
        """Write the objects of a result, and send them.

        Args:
            query: the study.
            result: its analysis.
            change: its comparison with a prior.

        Raises:
            InputError: the archive did not take them; they are written all the same.
        """
        from d24fad_core.export.dicom.changes import change_objects
        from d24fad_core.export.dicom.objects import dicom_objects

        changes = (
            None
            if change is None
            else change_objects(self.source, change, result, self.prior_images)
        )
        self._deliver(dicom_objects(self.source, result, query, changes))

    def deliver_change(self, change: "ChangeResult") -> None:
        """Write the objects of a comparison with a prior alone, and send them.

        Raises:
            InputError: as with `deliver`.
        """
        from d24fad_core.export.dicom.changes import change_objects

        self._deliver(change_objects(self.source, change, prior_images=self.prior_images))

    def _deliver(self, objects: "DicomObjects | ChangeObjects") -> None:
        from d24fad_core.export.dicom.objects import write_dicom
        from d24fad_core.export.dicom.stow import send

        write_dicom(objects, self.folder)
        if self.client is not None:
            send(self.client, objects)
