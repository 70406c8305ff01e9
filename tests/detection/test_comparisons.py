"""What a detector makes ready, and when."""

from pathlib import Path

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.comparison import ModelIdentity
from d24fad_core.detection.comparisons import Comparisons
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.networks.d24fad import D24FAD
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, network


def test_the_network_is_made_ready_once_and_for_its_own_comparisons_alone(tmp_path: Path) -> None:
    requests: list[D24FAD] = []

    def make() -> D24FAD:
        requests.append(network())
        return requests[-1]

    comparisons = Comparisons(
        make,
        ModelIdentity("untrained", "hash"),
        EVERY_MAP,
        SupportCache(tmp_path, "hash", IMAGE_SIZE, None),
        None,
        tmp_path,
    )
    learned = comparisons.of(ComparisonKind.LEARNED)
    assert requests == []
    window, translated = (
        comparisons.of(kind) for kind in (ComparisonKind.WINDOW, ComparisonKind.TRANSLATED)
    )
    assert len(requests) == 1
    assert len({id(each) for each in (learned, window, translated)}) == 3
    assert comparisons.of(ComparisonKind.LEARNED) is learned
    assert comparisons.of(ComparisonKind.WINDOW) is window
