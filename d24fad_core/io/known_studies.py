"""Studies that need not be read again, because an earlier reading told what they hold.

Whoever keeps what was computed from a scan needs no more of it than the hash of its content. To
find that out by reading takes thirty times as long as hashing packed files as they lie on the disk.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.cache.folder import keep
from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.errors import InputError
from d24fad_core.files import hash_bytes
from d24fad_core.io.dicom.series import holds_dicom, visible_files
from d24fad_core.io.file_memory import FileMemory
from d24fad_core.io.itk_header import lies_alone
from d24fad_core.io.reading import (
    ITK_SUFFIXES,
    READING_SCHEMA,
    GeometryWarning,
    image_suffix,
    read_volume_and_doubt,
    study_name,
)
from d24fad_core.volumes.volume import Modality, Volume


@dataclass(frozen=True, eq=False)
class KnownStudy:
    """A study that is not read unless it must be.

    Attributes:
        name: what to call it, as `Volume.name`.
        content_hash: as `Volume.content_hash`.
        modality: CT or MR.
        reader: reads it.
    """

    name: str
    content_hash: str
    modality: Modality
    reader: Callable[[], Volume]

    def read(self) -> Volume:
        """Read it after all.

        Raises:
            InputError: it cannot be read, or is no longer what it was.
        """
        volume = self.reader()
        if volume.content_hash != self.content_hash:
            raise InputError(f"{self.name}: the scan changed while it was in use", "start again.")
        return volume


StudySource = Volume | KnownStudy
"""A study, read or known."""


def volume_of(study: StudySource) -> Volume:
    """The voxels of a study; read now where they were not."""
    return study if isinstance(study, Volume) else study.read()


class KnownStudies:
    """What earlier readings told, kept by the hash of the files' bytes.

    Reduced scans and files that refer to others are read every time. A study whose own files
    changed although nobody wrote to them is refused, see `FileMemory`.

    Args:
        cache: folder of all that is kept; this is in one of its own there, a small file a study.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._folder = cache / "studies"
        self._memory = FileMemory(cache)

    def open(
        self, path: Path, modality: Modality | None = None, largest: int | None = None
    ) -> StudySource:
        """A study, read only where it is not known yet.

        Args:
            path: see `read_volume`.
            modality: see there.
            largest: see there.

        Raises:
            InputError: see there; or its bytes changed although nobody wrote to it.

        Warns:
            GeometryWarning: see there; again at each opening.
        """
        entry = self._entry(path, modality, largest)
        known = _load(entry) if entry is not None else None
        if known is None:
            volume, doubt = read_volume_and_doubt(path, modality, largest)
            # A file that was replaced while it was read is not what was hashed.
            whole = volume.reduction is None
            if entry is not None and whole and entry == self._entry(path, modality, largest):
                keep((volume, doubt), entry, self._cache, _save)
            study: StudySource = volume
        else:
            content_hash, own_modality, doubt = known
            study = KnownStudy(
                study_name(path),
                content_hash,
                own_modality,
                lambda: read_volume_and_doubt(path, modality, largest)[0],
            )
        if doubt is not None:
            warnings.warn(f"{path.name}: {doubt}", GeometryWarning, stacklevel=2)
        return study

    def _entry(self, path: Path, modality: Modality | None, largest: int | None) -> Path | None:
        """Where a study is kept; None for one that only reading can judge."""
        suffix = (image_suffix(path) or "").lower()
        try:
            if path.is_dir() and not holds_dicom(path):
                return None
            files = visible_files(path) if path.is_dir() else [path]
            hashes = self._memory.hashes(path, files)
            if suffix in ITK_SUFFIXES and not lies_alone(path):
                return None
        except (OSError, ValueError):
            return None  # reading tells what is wrong
        names = [file.name for file in files] if path.is_dir() else [suffix]
        request = (READING_SCHEMA, names, hashes, modality and modality.value, largest)
        return self._folder / f"{hash_bytes(repr(request).encode())}.json"


def _save(volume_and_doubt: tuple[Volume, str | None], entry: Path) -> None:
    volume, doubt = volume_and_doubt
    save_values([volume.content_hash, volume.modality.value, doubt], entry)


def _load(entry: Path) -> tuple[str, Modality, str | None] | None:
    """What is kept; None where it is absent or damaged, which only costs a reading."""
    try:
        content_hash, modality, doubt = load_values(entry)
        return str(content_hash), Modality(modality), doubt
    except (OSError, ValueError, TypeError):
        return None
