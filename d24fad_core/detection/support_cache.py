"""Names for what is kept of normal studies: each changes with all that shapes the content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from d24fad_core.comparison.features import FEATURES_SCHEMA
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.reference import REFERENCE_SCHEMA
from d24fad_core.files import hash_bytes
from d24fad_core.io.known_studies import StudySource
from d24fad_core.support.frame import FRAME_SCHEMA, Frame
from d24fad_core.support.profile import PROFILE_SCHEMA
from d24fad_core.volumes.volume import Plane


@dataclass(frozen=True)
class SupportCache:
    """Where features of normal studies are kept, and what comparing them gave.

    Attributes:
        folder: holds it all; None keeps nothing, and every path is None.
        checkpoint_hash: of the model and its scoring.
        image_size: pixels a side that the network sees.
        embedding_precision: see `for_inference`.
    """

    folder: Path | None
    checkpoint_hash: str
    image_size: int
    embedding_precision: torch.dtype | None

    def frame(self, first: StudySource, ct_window: str) -> Path | None:
        """The frame that lies on the first study."""
        shaping = repr((ct_window, self.image_size, FRAME_SCHEMA))
        return self._file("frames", first.content_hash.encode(), shaping.encode())

    def profile(self, study: StudySource, frame: Frame, options: DetectionOptions) -> Path | None:
        """What of a study in a frame is compared as a whole."""
        shaping = (options.ct_window, options.register, PROFILE_SCHEMA, FEATURES_SCHEMA)
        return self._file(
            "profiles",
            study.content_hash.encode(),
            frame.content_hash.encode(),
            repr(shaping).encode(),
        )

    def features(
        self, study: StudySource, frame: Frame, plane: Plane, options: DetectionOptions
    ) -> Path | None:
        """Features of a study in one plane of a frame."""
        shaping = (
            plane.value,
            options.ct_window,
            options.register,
            self.image_size,
            self.embedding_precision,
        )
        return self._file(
            "",
            study.content_hash.encode(),
            frame.content_hash.encode(),
            self.checkpoint_hash.encode(),
            repr((shaping, FEATURES_SCHEMA)).encode(),
        )

    def reference(self, features: Sequence[Path | None], *, translate: bool) -> Path | None:
        """What comparing normals gave, whose features have these paths."""
        names = [path.name.encode() for path in features if path is not None]
        shaping = repr((translate, REFERENCE_SCHEMA)).encode()
        return self._file("references", *names, shaping)

    def _file(self, folder: str, *shaping: bytes) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / folder / f"{hash_bytes(*shaping)}.safetensors"
