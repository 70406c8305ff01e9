"""The D²4FAD network: teacher, student and learn-to-weight in one module."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.student import Student, StudentConfig
from d24fad_core.networks.teacher import TEACHERS, Features, Teacher
from d24fad_core.networks.weighting import (
    ImageWeighting,
    PositionWeighting,
    WeightedSupport,
)


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of a D²4FAD network.

    Attributes:
        teacher: key of `TEACHERS`.
        student: size of the student.
        weighting: `"image"`, one weight per support image as in the paper, or `"position"`, one
            weight per position of every support image.
        normalise_input: subtract the teacher's mean and divide by its standard deviation. The
            paper feeds images in [0, 1] as they are.
        normalised_logits: with weighting "image", see `ImageWeighting`; the paper has False.
    """

    teacher: str = "efficientnet_lite0"
    student: StudentConfig = field(default_factory=StudentConfig)
    weighting: str = "position"
    normalise_input: bool = True
    normalised_logits: bool = False

    def __post_init__(self) -> None:
        if self.teacher not in TEACHERS:
            raise ConfigurationError(
                f"unknown teacher '{self.teacher}'",
                f"choose one of {', '.join(TEACHERS)}.",
            )
        if self.weighting not in ("image", "position"):
            raise ConfigurationError(
                f"unknown weighting '{self.weighting}'",
                "choose 'image' or 'position'.",
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkConfig":
        """From the plain values of a model card."""
        student = values["student"]
        widths = student["widths"]
        return cls(
            teacher=values["teacher"],
            student=StudentConfig(
                blocks=tuple(student["blocks"]), widths=tuple(widths) if widths else None
            ),
            weighting=values["weighting"],
            normalise_input=values["normalise_input"],
            # Cards written before there was a choice lack it.
            normalised_logits=values.get("normalised_logits", False),
        )


PAPER = NetworkConfig(
    teacher="wide_resnet50_2", student=StudentConfig(), weighting="image", normalise_input=False
)
"""The architecture of the paper, exact (checked against the official network's numbers)."""


@dataclass(frozen=True)
class EncodedImages:
    """What the network knows of a batch of images.

    Attributes:
        teacher: the teacher's features, (B, C, H, W) at strides 4, 8 and 16.
        student: the student's prediction of them.
    """

    teacher: Features
    student: Features


class D24FAD(nn.Module):
    """Frozen teacher, student decoder and learn-to-weight.

    Args:
        config: the architecture.
        teacher: a built teacher of `config.teacher`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, teacher: Teacher) -> None:
        super().__init__()
        self.config = config
        self.teacher = teacher
        self.student = Student(teacher.info, config.student)
        channels = teacher.info.channels[:3]
        self.weighting: ImageWeighting | PositionWeighting = (
            ImageWeighting(channels, normalised_logits=config.normalised_logits)
            if config.weighting == "image"
            else PositionWeighting()
        )
        self.register_buffer("mean", torch.tensor(teacher.info.mean)[:, None, None], False)
        self.register_buffer("std", torch.tensor(teacher.info.std)[:, None, None], False)

    def load_trained(self, state: Mapping[str, Tensor]) -> None:
        """Load student and weighting by name; the teacher stays unless the state has one too.

        Args:
            state: every parameter and buffer outside the teacher, and no other.

        Raises:
            RuntimeError: names or shapes differ.
        """
        own = self.state_dict()
        teacher = {name: values for name, values in own.items() if name.startswith("teacher.")}
        self.load_state_dict({**teacher, **state}, strict=True)

    def embed(self, images: Tensor) -> tuple[Features, Tensor]:
        """The teacher's features and embedding of images.

        Args:
            images: (B, 3, H, W) RGB or (B, 1, H, W) grey in [0, 1]; H, W multiples of 32.
        """
        features, embedding = self.teacher(self._for_the_teacher(images))
        return features, embedding

    def teacher_features(self, images: Tensor) -> Features:
        """The teacher's features alone, for maps that need no student; see `embed`."""
        return self.teacher.features(self._for_the_teacher(images))

    def _for_the_teacher(self, images: Tensor) -> Tensor:
        if self.config.normalise_input:
            images = (images - self.mean) / self.std
        return images.expand(-1, 3, -1, -1)

    def encode(self, images: Tensor) -> EncodedImages:
        """Teacher and student features of images, see `embed`."""
        features, embedding = self.embed(images)
        return EncodedImages(features, self.student(embedding))

    def forward(self, query: Tensor, support: Tensor) -> tuple[EncodedImages, WeightedSupport]:
        """Encode a query and weigh its support with one weight an image, as the paper does.

        Args:
            query: (B, 3, H, W) in [0, 1].
            support: (K, B, 3, H, W), K support images for each query.

        Raises:
            ConfigurationError: the network weighs positions, see `PositionWeighting`.
        """
        features, embedding = self.embed(query)
        supports = [self.embed(images)[1] for images in support]
        student, weighted = self.predict_and_weigh(embedding, supports)
        return EncodedImages(features, student), weighted

    def predict_and_weigh(
        self, query: Tensor, support: Iterable[Tensor]
    ) -> tuple[Features, WeightedSupport]:
        """The part of `forward` that is trained: from embeddings on.

        The student runs once on the query batch and once on each support image's batch, so that
        batch normalisation in training sees them apart.

        Args:
            query: embeddings, (B, C, H/32, W/32).
            support: K batches of embeddings of the same shape.

        Returns:
            The student's features of the query, and its weighted features of the support.

        Raises:
            ConfigurationError: the network weighs positions, see `PositionWeighting`.
        """
        if not isinstance(self.weighting, ImageWeighting):
            raise ConfigurationError(
                "this network weighs positions, not images",
                "compare its features instead, or build it with weighting 'image'.",
            )
        student = self.student(query)
        supports = [self.student(embedding) for embedding in support]
        stacked = tuple(torch.stack(scale, dim=1) for scale in zip(*supports, strict=True))
        weighted: WeightedSupport = self.weighting(student, stacked)
        return student, weighted
