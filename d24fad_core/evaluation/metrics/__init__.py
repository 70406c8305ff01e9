"""Measures of images, pixels and lesions, each with its uncertainty."""

from d24fad_core.evaluation.metrics.bootstrap import Estimate
from d24fad_core.evaluation.metrics.lesions import (
    FROC_RATES,
    LesionMeasures,
    ScannedLesions,
    measure_lesions,
    scan_lesions,
)
from d24fad_core.evaluation.metrics.pixels import (
    PixelMeasures,
    aupro,
    best_dice,
    dice,
    measure_pixels,
    pixel_auroc,
    pixel_average_precision,
)
from d24fad_core.evaluation.metrics.ranking import (
    RankingMeasures,
    auroc,
    average_precision,
    bootstrap_interval,
    measure_ranking,
    sensitivity_at_specificity,
)
from d24fad_core.evaluation.metrics.scored_image import ScoredImage

__all__ = [
    "FROC_RATES",
    "Estimate",
    "LesionMeasures",
    "PixelMeasures",
    "RankingMeasures",
    "ScannedLesions",
    "ScoredImage",
    "aupro",
    "auroc",
    "average_precision",
    "best_dice",
    "bootstrap_interval",
    "dice",
    "measure_lesions",
    "measure_pixels",
    "measure_ranking",
    "pixel_auroc",
    "pixel_average_precision",
    "scan_lesions",
    "sensitivity_at_specificity",
]
