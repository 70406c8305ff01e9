"""The normal people that teach: real ones and simulated ones, each kind on the same grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.deformation import align_mutually, align_to
from d24fad_core.comparison.normal_stack import NormalStack, place_study, stack_normals
from d24fad_core.errors import InputError
from d24fad_core.files import hash_file
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.progress import Progress
from d24fad_core.simulation import Contrast, Role, SimulationOptions, simulate_subject
from d24fad_core.simulation.template import average_brain
from d24fad_core.support.frame import Frame, align, make_frame_of_voxels
from d24fad_core.volumes.volume import Modality, Volume

SPACING_MM = 2.0
_WINDOW = "body"
_FEWEST_PEOPLE = 8
_HELD_OUT_EVERY = 4
_SIMULATION_SEED = 7000
_CONTRAST_SHARES = {Contrast.FLAIR: 0.35, Contrast.T2: 0.25, Contrast.T1: 0.2, Contrast.PD: 0.2}


@dataclass(frozen=True, eq=False)
class Group:
    """People of one scanner and sequence.

    Attributes:
        name: what to call it.
        intensities: (N, X, Y, Z) in the units of `NormalStack`.
        share: share of the cases that it teaches.
        in_one_shape: (N, X, Y, Z) the same people deformed into the shape of their mean.
    """

    name: str
    intensities: Tensor
    share: float
    in_one_shape: Tensor

    @classmethod
    def of(cls, name: str, stack: NormalStack, share: float) -> "Group":
        """People on one grid, brought into one shape."""
        # The mean of the first round is sharper than that of the affine alignment.
        first = align_mutually(stack).intensities.mean(0)
        return cls(name, stack.intensities, share, align_to(stack, first).intensities)


@dataclass(frozen=True, eq=False)
class TeachingData:
    """All that cases are drawn from.

    Attributes:
        groups: the people.
        lesion_shapes: (X, Y, Z) each, share of each voxel inside real lesions; may be empty.
        sources: SHA-256 of each file that teaches, by name.
    """

    groups: tuple[Group, ...]
    lesion_shapes: tuple[Tensor, ...]
    sources: dict[str, str]


def teaching_frame() -> Frame:
    """The grid of 2 mm voxels over the average brain that all who teach are brought to."""
    brain = average_brain()
    signal = (
        brain.white_matter + 0.74 * brain.grey_matter + 0.28 * brain.fluid + brain.texture
    ).clip(0.0)
    template = Volume(signal.astype(np.float32), brain.affine, Modality.MR, "average brain")
    return make_frame_of_voxels(template, SPACING_MM, _WINDOW)


def teaching_studies(folder: Path) -> list[Path]:
    """The people of a folder who teach: all but every fourth, see `held_out_studies`.

    Raises:
        InputError: fewer than eight people.
    """
    held_out = set(held_out_studies(folder))
    return [path for path in find_studies(folder) if path not in held_out]


def held_out_studies(folder: Path) -> list[Path]:
    """Every fourth person of a folder: they do not teach, and the threshold is chosen on them.

    Raises:
        InputError: fewer than eight people.
    """
    paths = sorted(find_studies(folder))
    if len(paths) < _FEWEST_PEOPLE:
        raise InputError(
            f"{folder} holds {len(paths)} studies",
            f"at least {_FEWEST_PEOPLE} people of one scanner are needed, of whom a quarter is "
            "held out; 30 and more are better.",
        )
    return paths[::_HELD_OUT_EVERY]


def read_teaching_data(
    people: Sequence[Path],
    lesion_shapes: Path | None,
    simulated: int,
    people_share: float,
    progress: Progress,
) -> TeachingData:
    """Read and simulate the people, and bring them to one grid.

    Args:
        people: one folder a scanner, of brain-extracted normal studies.
        lesion_shapes: folder of lesion masks in MNI space.
        simulated: simulated heads a contrast.
        people_share: share of the cases that the real people teach.
        progress: told of each study.

    Raises:
        InputError: a folder holds fewer than eight studies, or a file cannot be read.
    """
    frame = teaching_frame()
    groups, sources = [], {}
    for folder in people:
        paths = teaching_studies(folder)
        volumes = []
        for index, path in enumerate(paths):
            progress(f"aligning {path.name}", index / len(paths))
            volumes.append(read_volume(path, Modality.MR))
            sources[path.name] = hash_file(path)
        groups.append(_group(folder.name, volumes, frame, people_share / len(people)))
    for contrast, share in _CONTRAST_SHARES.items():
        progress(f"simulating {contrast.value}", 0.0)
        options = SimulationOptions(
            contrast=contrast, spacing=(SPACING_MM,) * 3, seed=_SIMULATION_SEED
        )
        heads = [simulate_subject(options, Role.SUPPORT, index).image for index in range(simulated)]
        left = (1.0 - people_share) if people else 1.0
        groups.append(_group(f"simulated {contrast.value}", heads, frame, share * left))
    shapes = []
    for path in sorted(lesion_shapes.glob("*.nii*")) if lesion_shapes else []:
        shapes.append(_on_frame(path, frame))
        sources[path.name] = hash_file(path)
    return TeachingData(tuple(groups), tuple(shapes), sources)


def read_held_out(people: Sequence[Path], progress: Progress) -> Tensor:
    """Those who do not teach, (N, X, Y, Z) in the units of `NormalStack`, on the same grid.

    Args:
        people: the folders of `read_teaching_data`.
        progress: told of each study.

    Raises:
        InputError: see `held_out_studies`.
    """
    frame = teaching_frame()
    groups = []
    for folder in people:
        volumes = []
        for path in held_out_studies(folder):
            progress(f"aligning {path.name}", 0.0)
            volumes.append(read_volume(path, Modality.MR))
        groups.append(_group(folder.name, volumes, frame, 0.0).intensities)
    return torch.cat(groups)


def _group(name: str, volumes: Sequence[Volume], frame: Frame, share: float) -> Group:
    studies = [
        place_study(align(volume, frame, _WINDOW, register=True).volume, _WINDOW)
        for volume in volumes
    ]
    return Group.of(name, stack_normals(studies), share)


def _on_frame(path: Path, frame: Frame) -> Tensor:
    image = nibabel.load(path)
    to_mask = np.linalg.inv(image.affine) @ frame.affine
    share = ndimage.affine_transform(
        np.asarray(image.dataobj, np.float32),
        to_mask[:3, :3],
        to_mask[:3, 3],
        output_shape=frame.shape,
        order=1,
    )
    return torch.from_numpy(share)
