"""Studies that a command was given by path."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from d24fad_core.cli.messages import spoken_warnings, warn
from d24fad_core.errors import InputError, SupportError
from d24fad_core.io.own_results import is_own_result
from d24fad_core.volumes.volume import Modality, Volume

if TYPE_CHECKING:
    from d24fad_core.io.known_studies import StudySource

_Study = TypeVar("_Study")


def read_study(
    path: Path, modality: Modality | None, largest: int | None = None, cache: Path | None = None
) -> Volume:
    """Read a study; what is doubtful about its geometry, and a reduction, is said on stderr.

    Args:
        path: its file or folder.
        modality: what the values are, where the file does not say it.
        largest: voxels above which it is reduced while it is read; None reads it whole.
        cache: folder that remembers the bytes of files; None notices no silent change.
    """
    return read_studies([path], modality, largest, cache)[0]


def read_studies(
    paths: Sequence[Path],
    modality: Modality | None,
    largest: int | None = None,
    cache: Path | None = None,
) -> list[Volume]:
    """Read several studies at once, as `read_study` does."""
    from d24fad_core.io.known_studies import volume_of

    for path in paths:
        if is_own_result(path):
            raise InputError(
                f"{path}: is a result of this program, no scan",
                "give the scan itself.",
            )
    opener = _opener(modality, largest, cache)
    return _opened(paths, lambda path: volume_of(opener(path)))


@dataclass(frozen=True, eq=False)
class OpenSupport:
    """The normal studies of a command, without copies.

    Attributes:
        studies: path and study of each.
        copies: how many copies were left out.
    """

    studies: "tuple[tuple[Path, StudySource], ...]"
    copies: int

    def for_case(self, query: Volume) -> "list[StudySource]":
        """The normals of a case, without the case itself, which is said.

        Args:
            query: the study to be analysed; it would find itself normal.

        Raises:
            SupportError: without it and copies, fewer than 2 studies are left.
        """
        from d24fad_core.support.support_set import MINIMUM_STUDIES

        others: list[StudySource] = []
        for path, study in self.studies:
            if study.content_hash == query.content_hash:
                warn(f"{path} is the case itself and was left out of the support.")
            else:
                others.append(study)
        count = len(self.studies) + self.copies
        left_out = count - len(others)
        if left_out and len(others) < MINIMUM_STUDIES:
            raise SupportError(
                f"of {count} support studies {left_out} had to be left out (the case itself, or "
                f"copies) and {len(others)} remain",
                f"give at least {MINIMUM_STUDIES} normal studies of other patients.",
            )
        return others


def open_support(
    paths: Sequence[Path],
    modality: Modality | None,
    largest: int | None = None,
    cache: Path | None = None,
) -> OpenSupport:
    """Open the support studies; copies are left out, and it is said.

    Args:
        paths: folders of studies, and single studies.
        modality: what the values are, where the files do not say it.
        largest: voxels above which a study is reduced while it is read.
        cache: folder of what earlier analyses kept; a study that is known there is not read.

    Raises:
        InputError: a study cannot be read.
    """
    places = support_paths(paths)
    opened = open_studies(places, modality, largest, cache)
    first: dict[str, tuple[Path, StudySource]] = {}
    for path, study in zip(places, opened, strict=True):
        if study.content_hash in first:
            twin = first[study.content_hash][1].name
            warn(f"{path} is a copy of '{twin}' and was left out of the support.")
        else:
            first[study.content_hash] = (path, study)
    return OpenSupport(tuple(first.values()), len(places) - len(first))


def open_studies(
    paths: Sequence[Path], modality: Modality | None, largest: int | None, cache: Path | None
) -> "list[StudySource]":
    """Open studies; those that are known in the cache are not read."""
    return _opened(paths, _opener(modality, largest, cache))


def _opener(
    modality: Modality | None, largest: int | None, cache: Path | None
) -> "Callable[[Path], StudySource]":
    from d24fad_core.io.known_studies import KnownStudies
    from d24fad_core.io.reading import read_volume

    opener = read_volume if cache is None else KnownStudies(cache).open
    return lambda path: opener(path, modality, largest)


def support_paths(paths: Sequence[Path]) -> list[Path]:
    """The studies of a support; results of this program among them are left out, and it is said.

    Args:
        paths: folders of studies, and single studies.

    Raises:
        InputError: a folder holds no study, or a path does not exist.
    """
    from d24fad_core.io.dicom.series import holds_dicom
    from d24fad_core.io.reading import FORMATS, find_studies

    candidates: list[Path] = []
    for path in paths:
        if not path.is_dir() or holds_dicom(path):
            candidates.append(path)
        elif studies := find_studies(path):
            candidates.extend(studies)
        else:
            raise InputError(
                f"{path}: an empty support, no study lies directly in this folder",
                f"give the folder that holds normal studies and no others ({FORMATS} each).",
            )
    results = [path for path in candidates if is_own_result(path)]
    for path in results:
        warn(f"{path} is a result of this program, no patient, and was left out of the support.")
    return [path for path in candidates if path not in results]


def _opened(paths: Sequence[Path], opener: Callable[[Path], _Study]) -> list[_Study]:
    """Open studies at once, since unpacking takes most of the time; say what is to be known."""
    # Warnings are caught for the whole process, so around all threads.
    with spoken_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        studies = list(pool.map(opener, paths))
    for path, study in zip(paths, studies, strict=True):
        if isinstance(study, Volume) and study.reduction is not None:
            shape, reduced = (
                " x ".join(str(length) for length in lengths)
                for lengths in (study.reduction.shape, study.shape)
            )
            warn(
                f"{path} has {shape} voxels; blocks of {study.reduction} were averaged to "
                f"{reduced} for the analysis."
            )
    return studies
