"""Episodes from features that the teacher made once, so that training costs the student alone."""

import numpy as np

from d24fad_core.errors import ConfigurationError
from d24fad_core.training.episodes import EmbeddedEpisode, EmbeddedImages, draw_images


class FeatureEpisodes:
    """Episodes from the teacher's features of a set of normal images.

    Args:
        name: name of the task.
        images: features and embedding of (S,) images of any floating type.
        mirrored: the same of the images with left and right exchanged, where training wants them.
    """

    def __init__(
        self, name: str, images: EmbeddedImages, mirrored: EmbeddedImages | None = None
    ) -> None:
        self.name = name
        self._images, self._mirrored = images, mirrored

    def draw(
        self,
        generator: np.random.Generator,
        queries: int,
        shots: int,
        *,
        shared: bool,
        mirrored: bool = False,
    ) -> EmbeddedEpisode:
        """Draw distinct images.

        Raises:
            InputError: the task has too few images.
            ConfigurationError: mirrored images are wanted, and there are none.
        """
        images = self._mirrored if mirrored else self._images
        if images is None:
            raise ConfigurationError(
                f"the features of task '{self.name}' hold no mirrored images",
                "compute them too, or train without horizontal flips.",
            )
        query, support = draw_images(
            self.name, len(images.embedding), generator, queries, shots, shared=shared
        )
        return EmbeddedEpisode(images.choose(query).float(), images.choose(support).float())
