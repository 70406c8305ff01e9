"""Normal people in several contrasts, each measured against the others."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.contrasts.fusion import alone, fuse_maps, with_joint
from d24fad_core.contrasts.joint_intensities import JointNormals, highest_of_normals, join_normals
from d24fad_core.contrasts.laid_person import lay_person, pooled_spacing, unpooled
from d24fad_core.contrasts.person import Person
from d24fad_core.detection.comparison import Comparison
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.io.known_studies import volume_of
from d24fad_core.progress import Progress, silent
from d24fad_core.support.frame import align
from d24fad_core.support.support_set import SupportSet

_LEAST_LEVEL = 1.0
"""In z, where the normals' own maps show nothing."""


class MeasuredNormals:
    """What normal people show together; measured when it is first asked for.

    Args:
        comparison: that the sets were prepared with.
        people: who have all of the contrasts.
        contrasts: names, the reference first.
        sets: one a contrast, of these people.
        options: choices for the analyses.
        progress: told of each step, from 0 to 1.
    """

    def __init__(
        self,
        comparison: Comparison,
        people: Sequence[Person],
        contrasts: Sequence[str],
        sets: Sequence[SupportSet],
        options: DetectionOptions,
        progress: Progress,
    ) -> None:
        self._comparison = comparison
        self._people = people
        self._contrasts = contrasts
        self._sets = sets
        self._frames = [own.frame for own in sets]
        self._options = options
        self._progress = progress

    def joint(self) -> JointNormals:
        """Their joint intensities."""
        return self._joined[0]

    def scale(self) -> ScoreScale:
        """What their fused maps show, each person against the others."""
        fused, _ = self._laid
        if len(self._contrasts) > 1:
            joint, distances = self._joined
            fused = [
                with_joint(own, unpooled(joint.scores(apart), self._frames[0]))
                for own, apart in zip(fused, distances, strict=True)
            ]
        scales = [own.scale(self._options.planes) for own in self._sets]
        return self._comparison.fused_scale(fused, scales, self._frames[0], alone(len(scales)))

    @cached_property
    def _joined(self) -> tuple[JointNormals, Tensor]:
        fused, people = self._laid
        scores = torch.cat([torch.from_numpy(values[values != 0]) for values in fused])
        level = max(highest_of_normals(scores), _LEAST_LEVEL)
        return join_normals(people, pooled_spacing(self._frames[0]), level)

    @cached_property
    def _laid(self) -> tuple[list[NDArray[np.float32]], Tensor]:
        """The power mean of each person's maps, and intensities as `JointNormals` has them."""
        by_contrast = [
            self._comparison.held_out(
                [person.scans[contrast] for person in self._people], own, self._options, silent
            )
            for contrast, own in zip(self._contrasts, self._sets, strict=True)
        ]
        window, register = self._options.ct_window, self._options.register
        fused, intensities = [], []
        for number, person in enumerate(self._people):
            self._progress(f"fusing {person.name}", number / len(self._people))
            scans = [volume_of(person.scans[contrast]) for contrast in self._contrasts]
            aligned = [
                align(scan, frame, window, register=register)
                for scan, frame in zip(scans, self._frames, strict=True)
            ]
            laid = lay_person(scans, self._frames, aligned)
            fused.append(fuse_maps(laid.on_reference([maps[number] for maps in by_contrast])))
            studies = laid.intensities(window)
            intensities.append(torch.stack([study.intensities for study in studies]))
        return fused, torch.stack(intensities)
