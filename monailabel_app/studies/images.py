"""The studies that clients can name: a store of studies, seen by image id only."""

import fnmatch
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import SimpleITK
from nibabel.filebasedimages import ImageFileError

from d24fad_core.errors import InputError
from d24fad_core.files import hash_bytes
from d24fad_core.io.itk_header import lies_alone
from d24fad_core.io.known_studies import KnownStudies, StudySource
from d24fad_core.io.reading import ITK_SUFFIXES, read_volume
from d24fad_core.volumes.reduction import LARGEST_WHOLE_SCAN
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.failures import RequestError
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.study_store import Pacs, StudyStore
from monailabel_app.studies.uploads import Uploads

LARGEST_VOXELS = LARGEST_WHOLE_SCAN
"""512 x 512 x 1024, 1 GiB as the numbers that are analysed: zeros of so many voxels come in a file
of 300 kB."""


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
        _check_file(self)
        with self.told_without_path():
            return self._named(read_volume(self.path, modality))

    def source(self, known: KnownStudies | None, modality: Modality | None = None) -> StudySource:
        """The study as a normal one, which is not read where it is known.

        Args:
            known: what is known; None where nothing can be kept.
            modality: CT or MR where the file does not say.

        Raises:
            RequestError: it cannot be read as a volume.
        """
        if known is None:
            return self.volume(modality)
        _check_file(self)
        with self.told_without_path():
            study = known.open(self.path, modality)
        if isinstance(study, Volume):
            return self._named(study)
        return replace(study, name=self.name, reader=lambda: self.volume(modality))

    def without_path(self, words: str) -> str:
        """A message with the study's name for its path: the server's folders are no business of
        a client.
        """
        return words.replace(str(self.path), self.name).replace(self.path.name, self.name)

    def _named(self, volume: Volume) -> Volume:
        return replace(volume, name=self.name)

    @contextmanager
    def told_without_path(self) -> Iterator[None]:
        """Refuse what cannot be read in the block, without naming the server's folders."""
        try:
            yield
        except InputError as error:
            cause, remedy = error.sentences()
            raise RequestError(
                "unreadable_image", self.without_path(cause), self.without_path(remedy)
            ) from error


class ImageCatalogue:
    """Finds studies by image id, and remembers the hashes of their content.

    Args:
        datastore: where the studies lie.
        hashes: of the files' content, which outlive the server.
        uploads: what clients sent.
    """

    def __init__(self, datastore: StudyStore, hashes: FileHashes, uploads: Uploads) -> None:
        self._datastore = datastore
        self._hashes = hashes
        self.uploads = uploads
        self._lock = threading.Lock()
        self._reserved: set[str] = set()

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
        if isinstance(self._datastore, Pacs):
            return Study(image, self._datastore.series_folder(image))
        return Study(image, Path(self._datastore.get_image_uri(image)))

    def title(self, image: str) -> str:
        """What people call an image: its id, or what the PACS says of the series."""
        return self._datastore.title(image) if isinstance(self._datastore, Pacs) else image

    def find(self, image: str) -> Study | None:
        """The study of an image id, None where there is no such image any more."""
        return self.study(image) if image in self._datastore.list_images() else None

    @contextmanager
    def reserve(self, image: str) -> Iterator[None]:
        """Keep the id of a new image for one client while it sends it: of two that send their scans
        under one name, the second would put its own in the place of the first.

        Raises:
            RequestError: there is such an image (names that differ in case alone are one file on
                some systems), or another client is sending it.
        """
        name = image.casefold()
        with self._lock:
            if name in self._reserved or name in map(str.casefold, self._datastore.list_images()):
                raise RequestError(
                    "already_exists",
                    f"There is another image '{image[:100]}' on this server, or on its way.",
                    "Send it under another name.",
                )
            self._reserved.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._reserved.discard(name)

    def was_uploaded(self, image: str) -> bool:
        """Whether a client sent an image; the others are the operator's own."""
        sha256 = self.uploads.sha256(image)
        return sha256 is not None and self.content_hash(self.study(image)) == sha256

    def holder(self, sha256: str, length: int | None = None) -> str | None:
        """The image whose file has this hash.

        Args:
            sha256: the hash.
            length: bytes of the file where they are known; images of this length are then hashed
                to find out, otherwise only hashes that are known already are looked through.
        """
        for image in self.identifiers():
            path = self._cached_path(image)
            if path is None:
                continue
            if self._hashes.known(path) == sha256:
                return image
            if length == path.stat().st_size and self._hashes.of(path) == sha256:
                return image
        return None

    def hash_if_known(self, image: str) -> str | None:
        """The hash of an image's file, where it was computed before; nothing is read."""
        path = self._cached_path(image)
        return self._hashes.known(path) if path is not None else None

    def current_hash(self, image: str) -> str | None:
        """`content_hash` of an image as it is now; None in a PACS, from which nothing is fetched
        for it, and of one that is just being taken away.
        """
        if isinstance(self._datastore, Pacs):
            return None
        try:
            return self.content_hash(self.study(image))
        except (RequestError, FileNotFoundError):
            return None

    def _cached_path(self, image: str) -> Path | None:
        """The file of an image that lies on this disk; nothing is fetched from a PACS."""
        if isinstance(self._datastore, Pacs):
            return None
        path = Path(self._datastore.get_image_uri(image))
        return path if path.is_file() else None

    def matching(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The image ids that match one of the shell-style patterns, sorted."""
        return tuple(
            image
            for image in self.identifiers()
            if any(fnmatch.fnmatchcase(image, pattern) for pattern in patterns)
        )

    def content_hash(self, study: Study) -> str:
        """SHA-256 of a study's file, or over the files of its folder; kept until they change."""
        return _joined(self._hashes.of, study)

    def verify(self, study: Study) -> None:
        """Hash a study's files again, so that `content_hash` is of the bytes that are there.

        Raises:
            RequestError: they changed although nobody wrote to them.
        """
        with study.told_without_path():
            _joined(self._hashes.anew, study)

    def support_hash(self, support: Sequence[Study]) -> str:
        """A hash over the content of support studies, in whatever order."""
        return hash_bytes(*sorted(self.content_hash(study).encode() for study in support))


def _joined(hash_of: Callable[[Path], str], study: Study) -> str:
    files = sorted(study.path.iterdir()) if study.path.is_dir() else [study.path]
    hashes = [hash_of(file) for file in files if file.is_file()]
    return hashes[0] if len(hashes) == 1 else hash_bytes(*map(str.encode, hashes))


def require_alone(path: Path, name: str) -> None:
    """Refuse a header that names another file for its voxels: any file of the server, as of another
    patient, could be shown as the image, and its hash would not be that of what is shown.

    Args:
        path: the file.
        name: what to call it.

    Raises:
        RequestError: it names one.
    """
    try:
        alone = path.suffix.lower() not in ITK_SUFFIXES or lies_alone(path)
    except (OSError, ValueError):
        return  # what is wrong with the file shows, and is told, when it is read
    if not alone:
        raise RequestError(
            "unsuitable_image",
            f"{name}: its header names another file for the voxels.",
            "Save header and voxels as one file.",
        )


def _check_file(study: Study) -> None:
    """Refuse what would show other files, or would fill the memory, by its header: a small packed
    file may unpack to anything.

    A DICOM series is as large as its files.
    """
    if study.path.is_dir():
        return
    require_alone(study.path, study.name)
    try:
        if study.path.name.lower().endswith((".nii", ".nii.gz")):
            shape = tuple(nibabel.load(study.path).shape)
        else:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(study.path))
            reader.ReadImageInformation()
            shape = tuple(reader.GetSize())
    except (ImageFileError, OSError, RuntimeError, ValueError):
        return  # what is wrong with the file shows, and is told, when it is read
    if math.prod(int(length) for length in shape) > LARGEST_VOXELS:
        raise RequestError(
            "unsuitable_image",
            f"{study.name}: {' x '.join(map(str, shape))} voxels are more than this server takes "
            f"into memory ({LARGEST_VOXELS}).",
            "Crop or resample it first.",
        )
