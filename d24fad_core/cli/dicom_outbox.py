"""DICOM results of a command: refused early where there can be none, else written and sent."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import ConfigurationError
from d24fad_core.extras import extra
from d24fad_core.volumes.volume import Volume

if TYPE_CHECKING:
    from d24fad_core.export.dicom_source import DicomSource


@dataclass(frozen=True, eq=False)
class DicomOutbox:
    """Where DICOM results go.

    Attributes:
        source: the series that is analysed.
        folder: where they are written.
        client: of the archive that they are sent to; None sends nothing.
    """

    source: "DicomSource"
    folder: Path
    client: Any = None

    @classmethod
    def open(cls, image: Path, query: Volume, out: Path, url: str | None) -> "DicomOutbox":
        """Check that there can be DICOM results, before minutes are spent on the analysis.

        Args:
            image: the study as it was named.
            query: what was read of it.
            out: folder of all results.
            url: DICOMweb service to send to; None for none.

        Raises:
            ConfigurationError: the study is no DICOM series, was reduced, or a package is missing.
            InputError: the series cannot be referred to.
        """
        if not image.is_dir():
            raise ConfigurationError(
                f"{image}: is no folder with a DICOM series, so there can be no DICOM results; "
                "leave out --dicom and --stow."
            )
        if query.reduction is not None:
            raise ConfigurationError(
                f"{image}: was reduced while it was read, so its results are on no DICOM image; "
                "leave out --dicom and --stow, or raise --reduce-above."
            )
        with extra("dicom", "writing DICOM results"):
            import highdicom  # noqa: F401 - the writers need it

            from d24fad_core.export.dicom_source import read_source
            from d24fad_core.export.dicom_stow import stow_client
        client = None if url is None else stow_client(url)
        return cls(read_source(image, query.shape, query.affine), out / "dicom", client)

    def deliver(self, query: Volume, result: AnomalyResult) -> None:
        """Write the objects of a result, and send them.

        Raises:
            InputError: the archive did not take them; they are written all the same.
        """
        from d24fad_core.export.dicom_objects import dicom_objects, write_dicom
        from d24fad_core.export.dicom_stow import send

        objects = dicom_objects(self.source, result, query)
        write_dicom(objects, self.folder)
        if self.client is not None:
            send(self.client, objects)
