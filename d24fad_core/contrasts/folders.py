"""People in folders: one a person, a scan a contrast, named as the contrast or as in BIDS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.io.reading import find_studies, study_name

_BIDS_PARTS = ("anat", "ses-*/anat")


@dataclass(frozen=True)
class PersonFolder:
    """Where the scans of a person lie.

    Attributes:
        name: of the folder.
        scans: path by contrast.
    """

    name: str
    scans: Mapping[str, Path]


def contrast_name(text: str) -> str:
    """The one way in which a contrast's name is written: small letters."""
    return text.strip().lower()


def named_paths(texts: Sequence[str]) -> dict[str, Path]:
    """The scans of a case from texts such as `flair=case/flair.nii.gz`.

    Raises:
        ConfigurationError: one has no name or no file, or two have one name.
    """
    paths: dict[str, Path] = {}
    for text in texts:
        name, mark, path = text.partition("=")
        contrast = contrast_name(name)
        if not (mark and path and contrast.replace("-", "").replace("_", "").isalnum()):
            raise ConfigurationError(
                f"--image {text}: a contrast needs a name and a file",
                "give both, such as --image flair=case/flair.nii.gz.",
            )
        if contrast in paths:
            raise ConfigurationError(
                f"--image {text}: the contrast {contrast} was named before.",
                "Name each contrast once.",
            )
        paths[contrast] = Path(path)
    return paths


def case_name(paths: Mapping[str, Path]) -> str:
    """What to call the case: its first scan's name, or the folder's where that says nothing."""
    contrast, path = next(iter(paths.items()))
    name = study_name(path)
    return path.absolute().parent.name if contrast_name(name) == contrast else name


def find_people(folders: Sequence[Path], contrasts: Sequence[str]) -> list[PersonFolder]:
    """The people in some folders.

    A scan is of a contrast where its file's (or series folder's) name is the contrast's, or ends in
    an underscore and that, as in BIDS (`sub-01/anat/sub-01_T1w.nii.gz`).

    Args:
        folders: folders of people, and folders of one person.
        contrasts: names that are looked for; a folder with none of them is no person's.

    Raises:
        InputError: a folder holds nobody, or two scans of a person claim one contrast.
    """
    people: list[PersonFolder] = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no folder",
                "with several contrasts give the folder of the normal people, such as "
                f"NORMALS/person01/{contrasts[0]}.nii.gz.",
            )
        own = _person(folder, contrasts)
        inside = [own] if own else _people_inside(folder, contrasts)
        if not inside:
            raise InputError(
                f"{folder}: nobody with a scan named {' or '.join(contrasts)} here",
                "give a folder for each person, such as "
                f"{folder.name}/person01/{contrasts[0]}.nii.gz.",
            )
        people.extend(inside)
    return people


def _people_inside(folder: Path, contrasts: Sequence[str]) -> list[PersonFolder]:
    folders = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    return [person for path in folders if (person := _person(path, contrasts)) is not None]


def _person(folder: Path, contrasts: Sequence[str]) -> PersonFolder | None:
    """The scans of a person; None where there is none of a contrast that is looked for."""
    parts = [folder, *(part for name in _BIDS_PARTS for part in sorted(folder.glob(name)))]
    scans: dict[str, Path] = {}
    for part in parts:
        for path in find_studies(part):
            contrast = contrast_name(study_name(path)).rpartition("_")[2]
            if contrast in contrasts and contrast in scans:
                raise InputError(
                    f"{folder}: {scans[contrast].name} and {path.name} are both {contrast}",
                    "leave one of them, such as one session a folder.",
                )
            scans.setdefault(contrast, path)
    if not any(contrast in scans for contrast in contrasts):
        return None
    return PersonFolder(folder.name, scans)
