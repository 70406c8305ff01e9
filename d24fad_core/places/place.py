"""Where a finding is, in names."""

from dataclasses import dataclass
from enum import Enum

_NAMED_SHARE = 0.2


class Side(str, Enum):
    """A side of the patient's body; its value names it in results."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


@dataclass(frozen=True)
class RegionShare:
    """How much of a finding a region holds.

    Attributes:
        region: name of the region, without its side.
        side: left or right; None where the region has no side.
        share: of the finding's voxels, 0 to 1.
    """

    region: str
    side: Side | None
    share: float

    def __str__(self) -> str:
        return self.region if self.side is None else f"{self.side.value} {self.region}"


@dataclass(frozen=True)
class FindingPlace:
    """Where a finding is.

    Attributes:
        side: where at least three quarters of what has a side is, else both; None where no region
            of the finding has one.
        region: name of the region with the largest share, without its side.
        shares: of all regions that hold some of it, the largest first; what lies in none of them
            is missing from their sum.
        certain: whether the map was laid on the study well enough to rely on.
        atlas: what the names are taken from.
    """

    side: Side | None
    region: str
    shares: tuple[RegionShare, ...]
    certain: bool
    atlas: str

    def __str__(self) -> str:
        """In few words, such as "left frontal lobe 80 %, left insula 20 %"."""
        first, *others = self.shares
        largest = [first, *(each for each in others if each.share >= _NAMED_SHARE)]
        if len(largest) == 1:
            text = str(first)
        else:
            text = ", ".join(f"{each} {100 * each.share:.0f} %" for each in largest)
        return text if self.certain else f"uncertain: {text}"


def place_of(shares: tuple[RegionShare, ...], *, certain: bool, atlas: str) -> FindingPlace | None:
    """Sum up shares; None where regions hold less than half of the finding.

    Args:
        shares: at most one a region and side.
        certain: see `FindingPlace`.
        atlas: see `FindingPlace`.
    """
    if sum(each.share for each in shares) < 0.5:
        return None
    ordered = tuple(
        sorted((each for each in shares if each.share > 0), key=lambda each: -each.share)
    )
    regions: dict[str, float] = {}
    for each in ordered:
        regions[each.region] = regions.get(each.region, 0.0) + each.share
    return FindingPlace(
        side=_side(ordered),
        region=max(regions, key=lambda name: regions[name]),
        shares=ordered,
        certain=certain,
        atlas=atlas,
    )


def _side(shares: tuple[RegionShare, ...]) -> Side | None:
    left, right = (
        sum(each.share for each in shares if each.side is side) for side in (Side.LEFT, Side.RIGHT)
    )
    if left + right == 0:
        return None
    if max(left, right) < 0.75 * (left + right):
        return Side.BOTH
    return Side.LEFT if left > right else Side.RIGHT
