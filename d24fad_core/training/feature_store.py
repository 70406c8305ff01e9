"""The frozen teacher's features of a task's images: computed once, kept on disk, mapped into
memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.features import CHUNK
from d24fad_core.files import hash_bytes, hash_file, whole_file
from d24fad_core.images.image_folder import load_images, to_unit
from d24fad_core.models.checkpoint import state_hash
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent
from d24fad_core.training.episodes import EmbeddedImages

_FORMAT = "1"
# Of the files alone: features that did not change keep their key, and what was made of them.
_FILE_FORMAT = "2"


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """What the teacher makes of some files.

    Attributes:
        images: features, float16, and embedding, float32, of the files in their order. The
            embedding is not rounded, so that a student says of it exactly what it says of the
            image.
        key: hash of everything that shaped them: teacher, image size and content of the files.
    """

    images: EmbeddedImages
    key: str


class FeatureStore:
    """Features in safetensors files under one folder.

    Args:
        folder: where the files go.
        model: its teacher and normalisation are used; the student is not.
        image_size: pixels a side.
    """

    def __init__(self, folder: Path, model: D24FAD, image_size: int) -> None:
        self._folder, self._model, self._image_size = folder, model, image_size
        self._teacher = hash_bytes(
            _FORMAT.encode(),
            model.config.teacher.encode(),
            state_hash(model.teacher).encode(),
            str(model.config.normalise_input).encode(),
            str(image_size).encode(),
        )

    def features(
        self,
        name: str,
        files: Sequence[Path],
        *,
        mirrored: bool = False,
        progress: Progress = silent,
    ) -> StoredFeatures:
        """Features of files, from disk where they are there.

        Args:
            name: what to call the file of features, "ChestXray/train_good" say.
            files: images, at least one.
            mirrored: of the images with left and right exchanged.
            progress: told of each chunk.

        Raises:
            InputError: an image cannot be read.
        """
        contents = [hash_file(path).encode() for path in files]
        key = hash_bytes(self._teacher.encode(), str(mirrored).encode(), *contents)
        sides = "_mirrored" if mirrored else ""
        path = self._folder / f"{name}{sides}_{key[:16]}-{_FILE_FORMAT}.safetensors"
        content = _read(path)
        if content is None:
            tensors = self._compute(name, files, mirrored, progress)
            with whole_file(path) as temporary:
                save_tensors(tensors, temporary, {})
            del tensors
            content = _read(path)
        if content is None:
            raise OSError(5, "features that were just written cannot be read", str(path))
        return StoredFeatures(content, key)

    def _compute(
        self, name: str, files: Sequence[Path], mirrored: bool, progress: Progress
    ) -> dict[str, Tensor]:
        device = next(self._model.parameters()).device
        whole: dict[str, Tensor] = {}
        for start in range(0, len(files), CHUNK):
            progress(f"features of {name}", start / len(files))
            images = to_unit(load_images(files[start : start + CHUNK], self._image_size))
            count = len(images)
            # Always CHUNK images, see `support.features`.
            filled = torch.cat([images, images[:1].expand(CHUNK - count, -1, -1, -1)])
            with torch.inference_mode():
                features, embedding = self._model.embed(
                    (filled.flip(-1) if mirrored else filled).to(device)
                )
            parts = {
                **{str(scale): values.half() for scale, values in enumerate(features)},
                "embedding": embedding,
            }
            for part, values in parts.items():
                if part not in whole:
                    whole[part] = torch.empty(
                        (len(files), *values.shape[1:]), dtype=values.dtype, device="cpu"
                    )
                whole[part][start : start + count] = values[:count].cpu()
        return whole


def _read(path: Path) -> EmbeddedImages | None:
    """Map features into memory; None where the file is absent or damaged."""
    try:
        with open_tensors(path) as tensors:
            return EmbeddedImages(
                tuple(tensors.get_tensor(str(scale)) for scale in range(3)),
                tensors.get_tensor("embedding"),
            )
    except (OSError, ValueError):
        return None
