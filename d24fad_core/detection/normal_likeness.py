"""How alike the normals of a support set are, measured once for each set."""

from collections.abc import Sequence
from pathlib import Path

from d24fad_core.cache.folder import fetch_or_make
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.files import hash_bytes
from d24fad_core.support.frame import Frame
from d24fad_core.support.likeness import LIKENESS_SCHEMA, MutualLikeness, mutual_likeness
from d24fad_core.support.likeness_file import load_likeness, save_likeness
from d24fad_core.support.profile import PROFILE_SCHEMA
from d24fad_core.support.support_set import SupportStudy


def likeness_of_normals(
    studies: Sequence[SupportStudy], frame: Frame, options: DetectionOptions, folder: Path | None
) -> MutualLikeness:
    """Compare every two normals, or fetch from a cache what that gave.

    Args:
        studies: the normals.
        frame: that they lie in.
        options: how they were aligned.
        folder: of the cache; None keeps nothing.
    """
    shaping = (
        [study.content_hash for study in studies],
        frame.content_hash,
        options.ct_window,
        options.register,
        PROFILE_SCHEMA,
        LIKENESS_SCHEMA,
    )
    path = None
    if folder is not None:
        path = folder / "likenesses" / f"{hash_bytes(repr(shaping).encode())}.json"
    return fetch_or_make(
        path, folder, load_likeness, lambda: mutual_likeness(studies), save_likeness
    )
