"""Episodes: a few queries and a few other normal images of the same task, or place in the body."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from d24fad_core.errors import InputError
from d24fad_core.images.image_folder import load_images, to_unit
from d24fad_core.networks.teacher import Features
from d24fad_core.support.frame import align, make_frame
from d24fad_core.volumes.volume import Plane, Volume

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

    def to(self, device: str) -> "Episode":
        """The episode on a device."""
        return Episode(self.query.to(device), self.support.to(device))


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """What the frozen teacher makes of images; training needs nothing else of them.

    Attributes:
        features: (..., C, H, W) at strides 4, 8 and 16.
        embedding: (..., C, H, W) at stride 32.
    """

    features: Features
    embedding: Tensor

    def to(self, device: str) -> "EmbeddedImages":
        """The features on a device."""
        return EmbeddedImages(
            tuple(scale.to(device) for scale in self.features), self.embedding.to(device)
        )

    def float(self) -> "EmbeddedImages":
        """The features as float32."""
        return EmbeddedImages(
            tuple(scale.float() for scale in self.features), self.embedding.float()
        )

    def choose(self, indices: Tensor) -> "EmbeddedImages":
        """Some of (S,) images.

        Args:
            indices: of any shape (...), which the images then have.
        """

        def select(values: Tensor) -> Tensor:
            rows = values.index_select(0, indices.flatten())
            return rows.view(*indices.shape, *values.shape[1:])

        return EmbeddedImages(
            tuple(select(scale) for scale in self.features), select(self.embedding)
        )


@dataclass(frozen=True, eq=False)
class EmbeddedEpisode:
    """One step's images as the teacher sees them.

    Attributes:
        query: of (B,) images.
        support: of (K, B) images, or (K, 1) shared by the queries.
    """

    query: EmbeddedImages
    support: EmbeddedImages

    def to(self, device: str) -> "EmbeddedEpisode":
        """The episode on a device."""
        return EmbeddedEpisode(self.query.to(device), self.support.to(device))


class EpisodeSource(Protocol):
    """A task that episodes are drawn from."""

    name: str

    def draw(
        self,
        generator: np.random.Generator,
        queries: int,
        shots: int,
        *,
        shared: bool,
        mirrored: bool = False,
    ) -> Episode | EmbeddedEpisode:
        """Draw an episode; no image is query and support at once.

        Args:
            generator: where chance comes from.
            queries: B.
            shots: K.
            shared: one support for all queries.
            mirrored: with left and right exchanged.
        """


def draw_images(
    name: str, count: int, generator: np.random.Generator, queries: int, shots: int, *, shared: bool
) -> tuple[Tensor, Tensor]:
    """Choose the images of an episode from a set without order.

    Args:
        name: name of the task.
        count: images that there are.
        generator: where chance comes from.
        queries: B.
        shots: K.
        shared: one support for all queries.

    Returns:
        Indices of the queries, (B,), and of their supports, (K, B) or (K, 1).

    Raises:
        InputError: the task has too few images.
    """
    groups = 1 if shared else queries
    needed = queries + shots * groups
    if count < queries + shots:
        raise InputError(
            f"task '{name}' has {count} normal images; {queries} queries and {shots} supports "
            f"need {queries + shots}.",
            "Give more images, or ask for fewer.",
        )
    if needed <= count:
        indices = generator.choice(count, needed, replace=False)
        query, support = indices[:queries], indices[queries:].reshape(shots, groups)
    else:
        query = generator.choice(count, queries, replace=False)
        others = np.setdiff1d(np.arange(count), query)
        support = np.stack(
            [generator.choice(others, shots, replace=False) for _ in range(groups)], axis=1
        )
    return torch.from_numpy(query), torch.from_numpy(support)


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
        self,
        generator: np.random.Generator,
        queries: int,
        shots: int,
        *,
        shared: bool,
        mirrored: bool = False,
    ) -> Episode:
        """Draw distinct images.

        Raises:
            InputError: the task has too few images.
        """
        query, support = draw_images(
            self.name, len(self._images), generator, queries, shots, shared=shared
        )
        images = to_unit(self._images[query])
        supports = to_unit(self._images[support.flatten()])
        episode = Episode(images, supports.view(*support.shape, *images.shape[1:]))
        return _mirror(episode) if mirrored else episode


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
                f"task '{name}' has {len(studies)} volumes",
                "training needs at least 3 normal studies, so that one can be query while others "
                "are support.",
            )
        frame = make_frame(studies[0], image_size, ct_window)
        stacks = []
        for study in studies:
            aligned = align(study, frame, ct_window, register=True)
            stacks.append(aligned.slices(plane, image_size).images)
        return cls(name, stacks)

    def draw(
        self,
        generator: np.random.Generator,
        queries: int,
        shots: int,
        *,
        shared: bool,
        mirrored: bool = False,
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
        episode = Episode(to_unit(query)[:, None], shaped)
        return _mirror(episode) if mirrored else episode


def _mirror(episode: Episode) -> Episode:
    return Episode(episode.query.flip(-1), episode.support.flip(-1))


class EpisodeStream(IterableDataset[Episode | EmbeddedEpisode]):
    """One epoch of episodes, tasks drawn evenly; the same for the same seed and epoch.

    Args:
        sources: the tasks.
        queries: B.
        shots: K.
        steps: episodes an epoch.
        shared: one support for all queries of an episode.
        seed: seed of the run.
        horizontal_flip: mirror every other episode, by chance.
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
        horizontal_flip: bool = False,
    ) -> None:
        self._sources = list(sources)
        self._queries, self._shots, self._steps = queries, shots, steps
        self._shared, self._seed = shared, seed
        self._horizontal_flip = horizontal_flip
        self.epoch = 0

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Episode | EmbeddedEpisode]:
        for step in range(self._steps):
            generator = np.random.default_rng([self._seed, self.epoch, step])
            source = self._sources[int(generator.integers(len(self._sources)))]
            mirrored = self._horizontal_flip and bool(generator.integers(2))
            yield source.draw(
                generator, self._queries, self._shots, shared=self._shared, mirrored=mirrored
            )
