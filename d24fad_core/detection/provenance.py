"""What is needed to repeat an analysis."""

import platform
from dataclasses import asdict

import numpy as np
import torch

from d24fad_core import __version__
from d24fad_core.detection.comparison import ModelIdentity, PlacedComparison
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import Provenance, SupportUse
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume


def describe_analysis(
    query: Volume,
    support: SupportSet,
    options: DetectionOptions,
    placed: PlacedComparison,
    identity: ModelIdentity,
    image_size: int,
) -> Provenance:
    """Describe an analysis so that it can be repeated.

    Args:
        query: the study.
        support: its normals.
        options: choices for this analysis.
        placed: the study beside its normals.
        identity: what compared them.
        image_size: pixels a side that the network saw.
    """
    compared = placed.compared
    parameters = asdict(options)
    parameters["planes"] = ", ".join(plane.value for plane in options.planes)
    parameters["modality"] = query.modality.value
    parameters["modality_source"] = query.modality_source
    parameters["image_size"] = image_size
    parameters["comparison"] = support.comparison.value
    del parameters["comparison_reason"]
    if support.comparison_reason is not None:
        parameters["comparison_reason"] = support.comparison_reason
    parameters["weighting"] = "learnt" if compared.learnt_shares else "equal"
    parameters["alignment_similarity"] = round(placed.aligned.similarity, 4)
    parameters["mask"] = query.mask.kind.value if query.mask else "none"
    query_hash = query.source_hash
    if query.reduction is not None:
        parameters["reduction"] = str(query.reduction)
        query_hash = query.reduction.content_hash
    return Provenance(
        query_name=query.name,
        query_hash=query_hash,
        checkpoint_name=identity.name,
        checkpoint_hash=identity.content_hash,
        supports=tuple(
            SupportUse(study.name, study.content_hash, float(share))
            for study, share in zip(support.studies, compared.shares, strict=True)
        ),
        parameters=parameters,
        versions={
            "d24fad": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    )
