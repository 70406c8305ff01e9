"""The studies that clients can name: MONAI Label's datastore, seen by image id only."""

import fnmatch
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monailabel.interfaces.datastore import Datastore

from d24fad_core.data.reading import read_volume
from d24fad_core.data.volume import Modality, Volume
from d24fad_core.errors import InputError
from d24fad_core.files import hash_bytes, hash_file
from monailabel_app.library.failures import RequestError


@dataclass(frozen=True)
class Study:
    """A study on the server's disk.

    Attributes:
        name: its image id, or what to call a file that was sent with a request.
        path: the file, or the folder of a DICOM series.
    """

    name: str
    path: Path

    def volume(self, modality: Modality | None = None) -> Volume:
        """Read it.

        Raises:
            RequestError: it cannot be read as a volume.
        """
        try:
            volume = read_volume(self.path, modality)
        except InputError as error:
            # The server's folders are no business of a client.
            message = str(error).replace(str(self.path), self.name)
            raise RequestError(
                "unreadable_image",
                f"The image '{self.name}' cannot be analysed: {message}",
                "Choose another image.",
            ) from error
        return Volume(
            volume.array, volume.affine, volume.modality, self.name, volume.modality_source
        )


class ImageCatalogue:
    """Finds studies by image id, and remembers the hashes of their content.

    Args:
        datastore: where MONAI Label keeps the studies.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()

    def identifiers(self) -> tuple[str, ...]:
        """All image ids, sorted."""
        return tuple(sorted(self._datastore.list_images()))

    def study(self, image: str) -> Study:
        """The study of an image id.

        Raises:
            RequestError: there is no such image.
        """
        if image not in self._datastore.list_images():
            raise RequestError(
                "unknown_image",
                f"There is no image '{image[:100]}' on this server.",
                "Choose one of the images that GET /d24fad/v1/images lists.",
            )
        return Study(image, Path(self._datastore.get_image_uri(image)))

    def matching(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The image ids that match one of the shell-style patterns, sorted."""
        return tuple(
            image
            for image in self.identifiers()
            if any(fnmatch.fnmatchcase(image, pattern) for pattern in patterns)
        )

    def content_hash(self, study: Study) -> str:
        """SHA-256 of a study's file, or over the files of its folder; kept until they change."""
        files = sorted(study.path.iterdir()) if study.path.is_dir() else [study.path]
        hashes = [self._file_hash(file) for file in files if file.is_file()]
        return hashes[0] if len(hashes) == 1 else hash_bytes(*map(str.encode, hashes))

    def _file_hash(self, path: Path) -> str:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._hashes.get(key)
        if known is None:
            known = hash_file(path)
            with self._lock:
                self._hashes[key] = known
        return known
