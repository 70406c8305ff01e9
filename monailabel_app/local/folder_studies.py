"""A folder of studies with its labels, laid out as MONAI Label lays out its own.

There is no index: what lies in the folder is what there is. So both kinds of server can work on one
folder, one after the other.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d24fad_core.files import copy_whole
from d24fad_core.io.dicom.series import holds_dicom
from monailabel_app.failures import RequestError
from monailabel_app.studies.study_store import VOLUME_PATTERNS

_SUFFIXES = tuple(pattern[1:] for pattern in VOLUME_PATTERNS)
_LABELS = "labels"


class FolderStudies:
    """The volumes and DICOM series of a folder.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._series: dict[tuple[str, int], bool] = {}

    def list_images(self) -> list[str]:
        """Every image id: names of files without their type, and names of folders."""
        return list(self._paths())

    def get_image_uri(self, image_id: str) -> str:
        """The path of an image's file, or of the folder of its DICOM series.

        Raises:
            RequestError: there is no such image.
        """
        return str(self._path(image_id))

    def get_image_info(self, image_id: str) -> Mapping[str, Any]:
        """Nothing: whose image it is stands in no folder."""
        return {}

    def get_labels_by_image_id(self, image_id: str) -> Mapping[str, str]:
        """Label ids of an image, which are its own, by their tags."""
        names = {f"{image_id}{suffix}" for suffix in _SUFFIXES}
        return {
            path.parent.name: image_id
            for path in (self._folder / _LABELS).glob("*/*")
            if path.name in names
        }

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep a copy of an image file, unless it lies in its place already; its image id."""
        source = Path(image_filename)
        copy_whole(source, self._folder / f"{image_id}{_suffix(source)}")
        return image_id

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a copy of a label file; its label id.

        Raises:
            RequestError: there is no such image.
        """
        self._path(image_id)
        source = Path(label_filename)
        target = self._folder / _LABELS / label_tag / f"{image_id}{_suffix(source)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_whole(source, target)
        return image_id

    def label_file(self, image_id: str, label_tag: str) -> Path | None:
        """The file of a label; None where there is none."""
        folder = self._folder / _LABELS / label_tag
        files = (folder / f"{image_id}{suffix}" for suffix in _SUFFIXES)
        return next((file for file in files if file.is_file()), None)

    def _path(self, image: str) -> Path:
        path = self._paths().get(image)
        if path is None:
            raise RequestError(
                "unknown_image",
                f"There is no image '{image[:100]}' on this server.",
                "Choose one of the images that GET /d24fad/v1/images lists.",
            )
        return path

    def _paths(self) -> dict[str, Path]:
        """Where each image lies; of two files with one id, the first by name."""
        paths: dict[str, Path] = {}
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or path.name == _LABELS:
                continue
            suffix = _suffix(path)
            if suffix and path.is_file():
                paths.setdefault(path.name.removesuffix(suffix), path)
            elif path.is_dir() and self._is_series(path):
                paths.setdefault(path.name, path)
        return paths

    def _is_series(self, folder: Path) -> bool:
        # Looked into again when a file has come or gone.
        state = folder.name, folder.stat().st_mtime_ns
        if state not in self._series:
            self._series[state] = holds_dicom(folder)
        return self._series[state]


def _suffix(path: Path) -> str:
    """The type of a volume's file, empty where it is none."""
    return next((suffix for suffix in _SUFFIXES if path.name.endswith(suffix)), "")
