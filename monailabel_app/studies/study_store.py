"""What the server needs of the place where studies lie; MONAI Label's datastores are one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydicom.dataset import Dataset

VOLUME_PATTERNS = ("*.nii.gz", "*.nii", "*.nrrd", "*.mha")


class MissingImageError(Exception):
    """A store has no image of this id, or has it no more."""


class StudyStore(Protocol):
    """Studies and their labels, by image id; the names are those of MONAI Label's `Datastore`."""

    def list_images(self) -> list[str]:
        """Every image id."""

    def get_image_uri(self, image_id: str) -> str:
        """The path of an image's file, or of the folder of its DICOM series."""

    def get_image_info(self, image_id: str) -> Mapping[str, Any]:
        """What is known of an image beside its file; `PatientID` where it comes from a PACS."""

    def get_labels_by_image_id(self, image_id: str) -> Mapping[str, str]:
        """Label ids of an image by their tags."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep a copy of an image file, unless it lies in its place already; its image id."""

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a copy of a label file; its label id."""

    def label_file(self, image_id: str, label_tag: str) -> Path | None:
        """The file of a label that lies on this disk; None where there is none."""


@runtime_checkable
class Pacs(Protocol):
    """What a store has beside that when its studies are the series of a PACS."""

    def series_folder(self, image_id: str) -> Path:
        """The folder with the files of a series, fetched where it is not here."""

    def title(self, image_id: str) -> str:
        """What people call a series; it says nothing of the patient."""

    def store(self, objects: Sequence[Dataset]) -> None:
        """Send objects to the PACS."""
