"""Episodes: a few queries and a few other normal images of the same task, or place in the body."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from d24fad_core.data.image_folder import load_images, to_unit
from d24fad_core.data.slices import slice_volume
from d24fad_core.data.volume import Plane, Volume
from d24fad_core.errors import InputError
from d24fad_core.support.frame import align, make_frame

_SHIFT_SLICES = 1


@dataclass(frozen=True)
class Episode:
    """One step's images, all normal.

    Attributes:
        query: (B, C, N, N) in [0, 1].
        support: (K, B, C, N, N), or (K, 1, C, N, N) shared by the queries.
    """

    query: Tensor
    support: Tensor


class EpisodeSource(Protocol):
    """A task that episodes are drawn from."""

    name: str

    def draw(
        self, generator: np.random.Generator, queries: int, shots: int, *, shared: bool
    ) -> Episode:
        """Draw an episode; no image is query and support at once."""


class ImageEpisodes:
    """Episodes from a set of normal images, held in memory as bytes.

    Args:
        name: name of the task.
        images: (S, 3, N, N) uint8.
    """

    def __init__(self, name: str, images: Tensor) -> None:
        self.name = name
        self._images = images

    @classmethod
    def from_files(cls, name: str, files: Sequence[Path], image_size: int) -> "ImageEpisodes":
        """Read the images of a task."""
        return cls(name, load_images(files, image_size))

    def draw(
        self, generator: np.random.Generator, queries: int, shots: int, *, shared: bool
    ) -> Episode:
        """Draw distinct images.

        Raises:
            InputError: the task has too few images.
        """
        groups = 1 if shared else queries
        needed = queries + shots * groups
        if len(self._images) < queries + shots:
            raise InputError(
                f"task '{self.name}' has {len(self._images)} normal images; {queries} queries and "
                f"{shots} supports need {queries + shots}."
            )
        if needed <= len(self._images):
            chosen = generator.choice(len(self._images), needed, replace=False)
            query, support = chosen[:queries], chosen[queries:].reshape(shots, groups)
        else:
            query = generator.choice(len(self._images), queries, replace=False)
            others = np.setdiff1d(np.arange(len(self._images)), query)
            support = np.stack(
                [generator.choice(others, shots, replace=False) for _ in range(groups)], axis=1
            )
        images = to_unit(self._images[torch.from_numpy(query)])
        supports = to_unit(self._images[torch.from_numpy(support.ravel())])
        return Episode(images, supports.view(shots, groups, *images.shape[1:]))


class VolumeEpisodes:
    """Episodes from normal volumes in one frame: queries and supports at one place in the body.

    Args:
        name: name of the task.
        stacks: slices of each study in the frame, (S, N, N) in [0, 1].
    """

    def __init__(self, name: str, stacks: Sequence[Tensor]) -> None:
        self.name = name
        # Bytes, since hundreds of studies must fit.
        self._stacks = [(stack * 255.0).round().to(torch.uint8) for stack in stacks]

    @classmethod
    def from_studies(
        cls, name: str, studies: Sequence[Volume], plane: Plane, image_size: int, ct_window: str
    ) -> "VolumeEpisodes":
        """Align normal studies and cut them into slices.

        Raises:
            InputError: there are fewer than three studies.
        """
        if len(studies) < 3:
            raise InputError(
                f"task '{name}' has {len(studies)} volumes; training needs at least 3 normal "
                "studies, so that one can be query while others are support."
            )
        frame = make_frame(studies[0], image_size, ct_window)
        stacks = []
        for study in studies:
            aligned = align(study, frame, ct_window, register=True)
            stacks.append(slice_volume(aligned.volume, plane, image_size, ct_window).images)
        return cls(name, stacks)

    def draw(
        self, generator: np.random.Generator, queries: int, shots: int, *, shared: bool
    ) -> Episode:
        """Draw a place; supports are its slices of some studies, queries those of others.

        With fewer studies than queries the same study gives several, from neighbouring slices.
        """
        order = generator.permutation(len(self._stacks))
        shots = min(shots, len(order) - 1)
        supporting, asking = order[:shots], order[shots:]
        place = int(generator.integers(len(self._stacks[0])))
        last = len(self._stacks[0]) - 1
        steps = generator.integers(-_SHIFT_SLICES, _SHIFT_SLICES + 1, queries)
        query = torch.stack(
            [
                self._stacks[asking[index % len(asking)]][int(np.clip(place + step, 0, last))]
                for index, step in enumerate(steps)
            ]
        )
        support = torch.stack([self._stacks[study][place] for study in supporting])
        groups = 1 if shared else queries
        shaped = to_unit(support)[:, None, None].expand(-1, groups, 1, -1, -1)
        return Episode(to_unit(query)[:, None], shaped)


class EpisodeStream(IterableDataset[Episode]):
    """One epoch of episodes, tasks drawn evenly; the same for the same seed and epoch.

    Args:
        sources: the tasks.
        queries: B.
        shots: K.
        steps: episodes an epoch.
        shared: one support for all queries of an episode.
        seed: seed of the run.
    """

    def __init__(
        self,
        sources: Sequence[EpisodeSource],
        *,
        queries: int,
        shots: int,
        steps: int,
        shared: bool,
        seed: int,
    ) -> None:
        self._sources = list(sources)
        self._queries, self._shots, self._steps = queries, shots, steps
        self._shared, self._seed = shared, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Episode]:
        for step in range(self._steps):
            generator = np.random.default_rng([self._seed, self.epoch, step])
            source = self._sources[int(generator.integers(len(self._sources)))]
            yield source.draw(generator, self._queries, self._shots, shared=self._shared)
