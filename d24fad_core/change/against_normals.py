"""Case and prior against the same normals: "abnormal" and "changed" in one go."""

from collections.abc import Callable

from d24fad_core.change.checks import check_kind
from d24fad_core.change.comparison import AnalysedTimes, compare_with_prior
from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.volumes.volume import Volume


def changes_against_normals(
    case: Volume,
    prior: Volume,
    result: AnomalyResult,
    detect: Callable[[Volume], AnomalyResult],
    strip: Callable[[Volume], Volume],
) -> ChangeResult:
    """Compare a study that was analysed against normals with a prior, which is analysed too.

    Args:
        case: the study, masked as it was analysed.
        prior: an earlier study of the patient, as it was read.
        result: the analysis of the case.
        detect: analyses a study against the same normals.
        strip: takes scalp and face away, which move and change as no lesion does.

    Raises:
        InputError: the prior does not fit the case.
    """
    check_kind(case, prior)
    # The normals are stripped where the case is, so the prior is too.
    analysed = prior if case.mask is None else strip(prior)
    times = AnalysedTimes(result, detect(analysed))
    return compare_with_prior(strip(case), prior, analysed=times)
