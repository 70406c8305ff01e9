"""Runs in the peers' environment: times all models by turns, prints one line of JSON."""

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

import torch
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode
from anomalib.models.image.reverse_distillation.torch_model import ReverseDistillationModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.machine import alternating_seconds
from benchmarks.speed.networks import BATCH, IMAGE_SIZE, images, paper_network
from d24fad_core.comparison.scoring import ImageScoringConfig, default_image_scoring
from d24fad_core.evaluation.methods import without_student_images
from d24fad_core.images.image_scorer import ImageScorer, encode_each
from d24fad_core.images.paper_scorer import PaperScorer
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.inference import fast_embedding_precision, for_inference
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.training.config import TrainingConfig

SHOTS = 8
_PAPER = "this project, student of the paper"
_DEFAULT = "this project, default network and scoring"
_LOWER = "bfloat16 in the embedding"
_NO_STUDENT = "this project, default scoring without the student"
_CORESET = 0.1  # anomalib's default


def main() -> None:
    """Time and print."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(sys.argv[1]))
    queries, support = images(BATCH, seed=2), images(SHOTS, seed=3)
    network = paper_network()
    paper = PaperScorer(network, support)
    lower = PaperScorer(network, support, torch.bfloat16)
    patchcore, reverse = _patchcore(support), _reverse_distillation()
    scoring = default_image_scoring()
    alike = images(SHOTS, seed=3, alike=True)
    default, no_student = _default(alike, scoring), _default(alike, without_student_images(scoring))
    shipped = _default(alike, scoring, fast_embedding_precision())
    in_float32 = {
        "anomalib PatchCore": lambda: patchcore(queries),
        "anomalib Reverse Distillation": lambda: reverse(queries),
        _PAPER: lambda: paper.scores(queries),
        _DEFAULT: lambda: default(queries),
        _NO_STUDENT: lambda: no_student(queries),
    }
    works = {(name, "float32"): _inference(work) for name, work in in_float32.items()}
    works |= {
        (_DEFAULT, _LOWER): _inference(lambda: shipped(queries)),
        ("anomalib PatchCore", "bfloat16"): _bfloat16(lambda: patchcore(queries)),
        ("anomalib Reverse Distillation", "bfloat16"): _bfloat16(lambda: reverse(queries)),
        (_PAPER, "bfloat16"): lambda: lower.scores(queries),
    }
    seconds = alternating_seconds(works, repeats=8)
    normal = paper.scores(images(BATCH, seed=4))
    difference = float((lower.scores(queries) - paper.scores(queries)).abs().max())
    flops = {name: _gflop(work) for name, work in in_float32.items()}
    rows = [
        {
            "name": name,
            "precision": precision,
            "gflop": flops[name],
            "milliseconds": value / BATCH * 1000,
        }
        for (name, precision), value in seconds.items()
    ]
    print(
        json.dumps(
            {
                "rows": rows,
                "batch": BATCH,
                "shots": SHOTS,
                "anomalib": version("anomalib"),
                "bfloat16_score_difference": difference,
                "bfloat16_in_deviations": difference / float(normal.std()),
            }
        )
    )


def _patchcore(support: torch.Tensor) -> PatchcoreModel:
    """With the layers and the coreset of anomalib's defaults."""
    torch.manual_seed(0)
    model = PatchcoreModel(
        layers=("layer2", "layer3"), backbone="wide_resnet50_2", pre_trained=False
    )
    model.train()
    model(support)
    model.subsample_embedding(_CORESET)
    return model.eval()


def _reverse_distillation() -> ReverseDistillationModel:
    torch.manual_seed(0)
    return ReverseDistillationModel(
        backbone="wide_resnet50_2",
        input_size=(IMAGE_SIZE, IMAGE_SIZE),
        layers=("layer1", "layer2", "layer3"),
        anomaly_map_mode=AnomalyMapGenerationMode.ADD,
        pre_trained=False,
    ).eval()


def _default(
    support: torch.Tensor,
    scoring: ImageScoringConfig,
    embedding_precision: torch.dtype = torch.float32,
) -> Callable[[torch.Tensor], list[float]]:
    """The default network with this teacher; only what the scoring asks for is computed."""
    network = replace(TrainingConfig().network, teacher="wide_resnet50_2")
    teacher = build_teacher(network.teacher, pretrained=False)
    trained = D24FAD(network, teacher).eval().requires_grad_(False)
    model = for_inference(trained, embedding_precision)
    encoded = encode_each(model, support, scoring.keys)
    scorer = ImageScorer(model, scoring, encoded, IMAGE_SIZE)
    return lambda queries: [
        scorer.score(features) for features in encode_each(model, queries, scorer.keys)
    ]


def _inference(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return work()

    return run


def _bfloat16(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return work()

    return run


def _gflop(work: Callable[[], object]) -> float:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    operations: int = counter.get_total_flops()
    return operations / BATCH / 1e9


if __name__ == "__main__":
    main()
