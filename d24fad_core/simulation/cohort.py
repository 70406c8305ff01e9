"""Simulated cohorts: normal studies for the support, normal cases and cases with lesions."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.errors import ConfigurationError
from d24fad_core.files import whole_file, write_text
from d24fad_core.progress import Progress, silent
from d24fad_core.simulation.anatomy import sample_anatomy
from d24fad_core.simulation.appearance import render
from d24fad_core.simulation.contrast import Contrast
from d24fad_core.simulation.lesions import LesionKind, sample_lesions
from d24fad_core.simulation.template import SOURCE
from d24fad_core.volumes.volume import Modality, Volume

# Raised whenever equal options would give other images than before.
RECIPE = 2

STATEMENT = (
    "Synthetic: every subject is a deformed average brain with drawn tissue signal and drawn "
    "lesions. Normal variation is understated; results on it say nothing about patients."
)


class Role(str, Enum):
    """What a simulated subject is for; its value begins the name of the subject's file."""

    SUPPORT = "support"
    NORMAL = "normal"
    LESION = "lesion"


@dataclass(frozen=True)
class SimulationOptions:
    """What a simulated cohort consists of.

    Attributes:
        contrast: MR contrast of all its studies.
        support: number of normal studies for the support set.
        normals: number of normal cases.
        lesions: number of cases with lesions; mass, foci and region by turns.
        spacing: voxel size in mm along right-left, posterior-anterior, inferior-superior.
        seed: equal seeds give equal heads, and equal lesions in every contrast.
        others: further contrasts of the same heads; every person then has a folder of scans.
    """

    contrast: Contrast = Contrast.FLAIR
    support: int = 4
    normals: int = 6
    lesions: int = 6
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)
    seed: int = 0
    others: tuple[Contrast, ...] = ()

    def __post_init__(self) -> None:
        for name in ("support", "normals", "lesions", "seed"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}",
                    "give a whole number of at least 0.",
                )
        if len(self.spacing) != 3 or not all(0.5 <= size <= 10 for size in self.spacing):
            raise ConfigurationError(
                f"spacing is {self.spacing}",
                "give three sizes between 0.5 and 10 mm.",
            )

        if len({self.contrast, *self.others}) <= len(self.others):
            raise ConfigurationError("a contrast is given twice", "name each one once.")

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """All contrasts of each person."""
        return (self.contrast, *self.others)

    @property
    def subjects(self) -> Iterator[tuple[Role, int]]:
        """Role and index of each subject of the cohort."""
        for role, number in (
            (Role.SUPPORT, self.support),
            (Role.NORMAL, self.normals),
            (Role.LESION, self.lesions),
        ):
            for index in range(number):
                yield role, index


@dataclass(frozen=True, eq=False)
class SimulatedSubject:
    """One simulated study.

    Attributes:
        image: MR volume, shape (I, J, K), 0 outside the brain.
        mask: uint8 of the same shape, 1 inside lesions; None for a normal subject.
        kind: the kind of lesion; None for a normal subject.
    """

    image: Volume
    mask: NDArray[np.uint8] | None
    kind: LesionKind | None


def simulate_subject(options: SimulationOptions, role: Role, index: int) -> SimulatedSubject:
    """Draw one subject; it depends on seed, role, index, contrast and spacing, not on the counts.

    Head and lesions are the same for every contrast, so two cohorts of one seed are two contrasts
    of the same people.
    """
    identity = (options.seed, list(Role).index(role), index)
    anatomy = sample_anatomy(np.random.default_rng((*identity, 0)), options.spacing)
    share = mask = kind = None
    if role is Role.LESION:
        kind = list(LesionKind)[index % len(LesionKind)]
        share, mask = sample_lesions(anatomy, kind, np.random.default_rng((*identity, 1)))
    scanner = np.random.default_rng((*identity, 2, list(Contrast).index(options.contrast)))
    signal = render(anatomy, options.contrast, scanner, share)
    image = Volume(
        array=signal.astype(np.float32),
        affine=anatomy.affine,
        modality=Modality.MR,
        name=subject_name(role, index),
    )
    return SimulatedSubject(image, mask, kind)


def subject_name(role: Role, index: int) -> str:
    """Name of a subject's files, without suffix; counted from 1."""
    return f"{role.value}-{index + 1:03d}"


def simulate_cohort(folder: Path, options: SimulationOptions, progress: Progress = silent) -> None:
    """Write a cohort: `support/*.nii.gz`, `cases/*.nii.gz` and `masks/<case>.nii.gz`.

    Of several contrasts, each person has a folder: `support/support-001/flair.nii.gz` and so on.
    Cases with lesions have a mask, normal cases have none. `cohort.json` says what the cohort is.
    Files that exist from an earlier call with equal contrast, spacing and seed are kept, so a call
    that was stopped can be repeated, and a cohort can be made larger.

    Args:
        folder: where to write; made if it does not exist.
        options: what to simulate.
        progress: told about each subject.

    Raises:
        ConfigurationError: the folder holds another cohort, or more than was asked for.
    """
    _check_folder(folder, options)
    write_text(folder / "cohort.json", json.dumps(_description(options), indent=2) + "\n")
    subjects = list(options.subjects)
    for done, (role, index) in enumerate(subjects):
        progress(f"simulate {subject_name(role, index)}", done / len(subjects))
        mask_path = _mask_path(folder, role, index)
        for contrast, image_path in _image_paths(folder, options, role, index).items():
            if image_path.exists() and (mask_path is None or mask_path.exists()):
                continue
            subject = simulate_subject(replace(options, contrast=contrast, others=()), role, index)
            if mask_path is not None and subject.mask is not None:
                _write_nifti(mask_path, subject.mask, subject.image.affine)
            _write_nifti(image_path, subject.image.array.astype(np.int16), subject.image.affine)
    progress("simulated", 1.0)


def _image_paths(
    folder: Path, options: SimulationOptions, role: Role, index: int
) -> dict[Contrast, Path]:
    """Where a subject's images go."""
    place = folder / ("support" if role is Role.SUPPORT else "cases")
    name = subject_name(role, index)
    if not options.others:
        return {options.contrast: place / f"{name}.nii.gz"}
    return {
        contrast: place / name / f"{contrast.value.lower()}.nii.gz"
        for contrast in options.contrasts
    }


def _mask_path(folder: Path, role: Role, index: int) -> Path | None:
    """Where a subject's mask goes, if it has one."""
    if role is not Role.LESION:
        return None
    return folder / "masks" / f"{subject_name(role, index)}.nii.gz"


def _check_folder(folder: Path, options: SimulationOptions) -> None:
    """Refuse to mix cohorts: with other images, or with files that this one does not have."""
    names = {
        path
        for subject in options.subjects
        for path in (
            *_image_paths(folder, options, *subject).values(),
            _mask_path(folder, *subject),
        )
    }
    present = {
        path
        for name in ("support", "cases", "masks")
        for path in (folder / name).rglob("*.nii*")
        if not path.name.startswith(".")  # what a killed writer left behind
    }
    if foreign := sorted(present - names):
        raise ConfigurationError(
            f"{folder} holds {len(foreign)} image(s) that are not of this cohort, such as "
            f"{foreign[0].relative_to(folder)}",
            "choose another folder, or ask for at least as many subjects as it holds.",
        )
    if not present:
        return
    identity = _description(options)["identity"]
    path = folder / "cohort.json"
    try:
        other = json.loads(path.read_text(encoding="utf-8"))["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} does not say which cohort {folder} holds ({error})",
            "choose another folder.",
        ) from error
    if other != identity:
        raise ConfigurationError(
            f"{folder} holds another cohort ({other}) than the one asked for ({identity})",
            "choose another folder.",
        )


def _description(options: SimulationOptions) -> dict[str, Any]:
    """What `cohort.json` says; `identity` is all that decides how a subject looks."""
    choices = asdict(options)
    if not options.others:
        del choices["others"]
    contrasts = [contrast.value for contrast in options.contrasts]
    return {
        "synthetic": True,
        "statement": STATEMENT,
        "use": RESEARCH_USE_ONLY,
        "template": SOURCE,
        "identity": {
            "recipe": RECIPE,
            "contrast": contrasts if options.others else options.contrast.value,
            "spacing": list(options.spacing),
            "seed": options.seed,
        },
        "options": choices,
        "cases": {
            subject_name(role, index): list(LesionKind)[index % len(LesionKind)].value
            if role is Role.LESION
            else "normal"
            for role, index in options.subjects
            if role is not Role.SUPPORT
        },
        "versions": {
            "d24fad": __version__,
            "nilearn": version("nilearn"),
            "numpy": version("numpy"),
            "scipy": version("scipy"),
        },
    }


def _write_nifti(
    path: Path, array: NDArray[np.int16] | NDArray[np.uint8], affine: NDArray[np.float64]
) -> None:
    """Write a compressed NIfTI whose bytes depend on nothing but its content."""
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with (
        whole_file(path) as temporary,
        temporary.open("wb") as stream,
        gzip.GzipFile(fileobj=stream, filename="", mode="wb", compresslevel=1, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())
