"""A study that was compared with a prior, to be shown."""

import numpy as np

from d24fad_core.change.result import Change, ChangeKind, ChangeResult, PriorUse
from d24fad_core.volumes.volume import Volume


def changed_since(query: Volume) -> ChangeResult:
    """One new place and one that is stable, in a prior that is darker than the study."""
    ranks = np.zeros(query.shape, np.uint16)
    ranks[30:34, 18:22, 24:28] = 1
    peak, other = (32, 20, 26), (14, 36, 12)
    return ChangeResult(
        heatmap=np.where(ranks > 0, np.float32(8.0), np.float32(0.0)),
        ranks=ranks,
        prior=(0.5 * query.array).astype(np.float32),
        affine=query.affine,
        threshold=6.5,
        changes=(
            _change(query, 1, ChangeKind.NEW, 0.5, 0.0, 8.0, peak),
            _change(query, 2, ChangeKind.STABLE, 1.5, 1.4, 0.0, other),
        ),
        use=PriorUse("last-year", "e" * 64, 0.95, tuple(map(tuple, np.eye(4).tolist()))),
    )


def _change(
    query: Volume,
    rank: int,
    kind: ChangeKind,
    now: float,
    before: float,
    peak_score: float,
    voxel: tuple[int, int, int],
) -> Change:
    place = query.affine[:3, :3] @ voxel + query.affine[:3, 3]
    ras = (float(place[0]), float(place[1]), float(place[2]))
    return Change(rank, kind, now, before, peak_score, ras, ras, voxel, (voxel, voxel))
