import pytest

from d24fad_core.places.place import RegionShare, Side, place_of


def share(region: str, side: Side | None, part: float) -> RegionShare:
    return RegionShare(region, side, part)


def test_the_largest_region_names_the_place_and_others_follow() -> None:
    place = place_of(
        (share("insula", Side.LEFT, 0.3), share("frontal lobe", Side.LEFT, 0.7)),
        certain=True,
        atlas="a",
    )
    assert place is not None
    assert (place.side, place.region) == (Side.LEFT, "frontal lobe")
    assert str(place) == "left frontal lobe 70 %, left insula 30 %"


def test_a_region_counts_with_both_of_its_sides() -> None:
    place = place_of(
        (
            share("frontal lobe", Side.LEFT, 0.3),
            share("frontal lobe", Side.RIGHT, 0.3),
            share("corpus callosum", None, 0.4),
        ),
        certain=True,
        atlas="a",
    )
    assert place is not None
    assert (place.side, place.region) == (Side.BOTH, "frontal lobe")


def test_what_lies_outside_all_regions_has_no_name() -> None:
    assert place_of((share("insula", Side.LEFT, 0.4),), certain=True, atlas="a") is None
    assert place_of((), certain=True, atlas="a") is None


def test_a_region_without_sides_has_none() -> None:
    place = place_of((share("brain stem", None, 1.0),), certain=True, atlas="a")
    assert place is not None
    assert place.side is None
    assert str(place) == "brain stem"


def test_a_doubtful_place_says_so() -> None:
    place = place_of((share("insula", Side.RIGHT, 0.9),), certain=False, atlas="a")
    assert str(place) == "uncertain: right insula"


@pytest.mark.parametrize(("left", "side"), [(0.8, Side.LEFT), (0.7, Side.BOTH), (0.1, Side.RIGHT)])
def test_three_quarters_make_a_side(left: float, side: Side) -> None:
    shares = (share("insula", Side.LEFT, left), share("insula", Side.RIGHT, 1 - left))
    place = place_of(shares, certain=True, atlas="a")
    assert place is not None
    assert place.side is side
