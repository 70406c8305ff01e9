"""Reading a scan that is too large to be held whole: slab by slab, averaging blocks of voxels."""

from pathlib import Path

import numpy as np

from d24fad_core.io.stored_scan import StoredScan
from d24fad_core.volumes.modality import LOWEST_MR, guess_modality
from d24fad_core.volumes.reduction import Reduction, block_means, choose_factors, reduced_affine
from d24fad_core.volumes.volume import ContentHash, Modality, Volume, spacing_of
from d24fad_core.volumes.voxel_checks import VoxelCheck, checked_shape

_SLAB_VOXELS = 1 << 23


def read_reduced(
    scan: StoredScan, path: Path, name: str, modality: Modality | None, largest: int
) -> Volume:
    """Read a scan of more than `largest` voxels in one pass, holding one slab at a time.

    Args:
        scan: its header.
        path: its file or folder, for messages.
        name: what to call it.
        modality: what the values are, where it is known; otherwise it is guessed from one voxel of
            each block.
        largest: see `choose_factors`.

    Returns:
        The volume on the reduced grid, with its reduction.

    Raises:
        InputError: as for a scan that is read whole.
    """
    shape = checked_shape(scan.shape, path)
    factors = choose_factors(shape, spacing_of(scan.affine), largest)
    reduced = np.empty([-(-n // factor) for n, factor in zip(shape, factors, strict=True)], "f4")
    reduced = np.asfortranarray(reduced)
    check, digest, low = VoxelCheck(), ContentHash(shape), []
    depth = factors[2] * max(1, _SLAB_VOXELS // (shape[0] * shape[1] * factors[2]))
    first = 0
    for slab in scan.read_slabs(depth):
        check.add(slab)
        digest.add(slab)
        sample = slab[:: factors[0], :: factors[1], :: factors[2]]
        low.append(sample[sample <= LOWEST_MR])
        means = block_means(slab, factors)
        reduced[:, :, first : first + means.shape[2]] = means
        first += means.shape[2]
    check.finish(path)
    source = "given" if scan.modality is None else "header"
    if (known := modality or scan.modality) is None:
        known, source = guess_modality(np.concatenate(low)), "guessed"
    reduction = Reduction(shape, scan.affine, factors, digest.finish(scan.affine, known))
    return Volume(reduced, reduced_affine(scan.affine, factors), known, name, source, reduction)
