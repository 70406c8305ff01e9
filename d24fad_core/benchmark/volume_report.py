"""Everything that a benchmark on volumes writes."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.benchmark.volume_cells import kept_analyses
from d24fad_core.benchmark.volume_tables import volume_table
from d24fad_core.benchmark.volumes import VolumeBenchmark, VolumeResult, analysis_file
from d24fad_core.evaluation.cohort import read_lesions
from d24fad_core.evaluation.methods import DEFAULT
from d24fad_core.evaluation.volume_pictures import best_and_worst, draw_case
from d24fad_core.files import write_text
from d24fad_core.io.reading import read_volume

SUMMARY_FILE = "volumes.json"
TABLE_FILE = "volumes.md"
PICTURE_FOLDER = "pictures"


def write_volume_report(plan: VolumeBenchmark, results: Sequence[VolumeResult]) -> None:
    """Write `volumes.json`, `volumes.md` and `pictures/<contrast>_<best|worst>_<method>.png`.

    Best and worst are the lesion cases of the default with the highest and the lowest voxel AUROC,
    drawn for every method.

    Args:
        plan: what was run.
        results: of the contrasts that are done.

    Raises:
        InputError: a case cannot be read any more.
    """
    document = {
        "notice": RESEARCH_USE_ONLY,
        "version": __version__,
        "shots": plan.shots,
        "trained": plan.checkpoint is None,
        "training": None if plan.checkpoint else plan.training.to_dict(),
        "resamples": plan.rounds,
        "results": [asdict(result) for result in results],
    }
    write_text(plan.out / SUMMARY_FILE, json.dumps(document, indent=2, allow_nan=False) + "\n")
    write_text(plan.out / TABLE_FILE, volume_table(results))
    for result in results:
        # The last of a contrast's default results is the fusion, where there is one.
        later = [r for r in results if (r.contrast, r.method) == (result.contrast, result.method)]
        if result.method == DEFAULT and result is later[-1]:
            _draw(plan, result, results)


def _draw(plan: VolumeBenchmark, reference: VolumeResult, results: Sequence[VolumeResult]) -> None:
    cases = {case.name: case for case in plan.cohorts[reference.contrast].cases}
    for place, name in best_and_worst(dict(reference.evaluation.case_aurocs)):
        volume = read_volume(cases[name].path, plan.modality)
        truth = read_lesions(cases[name], volume)
        for result in results:
            if (result.contrast, result.planes) != (reference.contrast, reference.planes):
                continue
            analyses = kept_analyses(analysis_file(plan, result.contrast, result.method, name))
            draw_case(
                volume,
                truth,
                analyses[reference.planes].heatmap,
                result.threshold,
                f"{result.contrast}, {place} case {name}, {result.method}, {result.planes}: voxel "
                f"AUROC {result.evaluation.case_aurocs[name]:.3f}",
                plan.out / PICTURE_FOLDER / f"{result.contrast}_{place}_{result.method}.png",
            )
