"""The network as an ONNX file, for runtimes that do without PyTorch."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.extras import extra
from d24fad_core.files import whole_file
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.inference import with_folded_normalisations

INPUT = "images"
OUTPUTS = tuple(
    f"{part}_stride_{stride}" for part in ("teacher", "student") for stride in (4, 8, 16)
)
_OPSET = 17


class _Encoder(nn.Module):
    """Images in, all features out as one flat tuple."""

    def __init__(self, model: D24FAD) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        encoded = self.model.encode(images)
        return (*encoded.teacher, *encoded.student)


def export_onnx(model: D24FAD, image_size: int, path: Path) -> None:
    """Write the network that turns images into teacher and student features.

    Batch normalisations are folded into the convolutions. The batch may have any size; comparison
    with a support, calibration and geometry are not part of the file.

    Args:
        model: the network.
        image_size: N.
        path: where to write; input `images` is (B, 3, N, N) in [0, 1], the outputs are `OUTPUTS`.

    Raises:
        ConfigurationError: the package onnx is not installed.
    """
    with extra("export", "d24fad export"):
        import onnx
    encoder = _Encoder(with_folded_normalisations(model)).eval()
    images = torch.rand(2, 3, image_size, image_size)
    with whole_file(path) as temporary:
        with warnings.catch_warnings():
            # The exporter of tracing is called old; the new one needs two packages more.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                encoder,
                (images,),
                str(temporary),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
                opset_version=_OPSET,
                dynamo=False,
            )
        graph = onnx.load(str(temporary))
        graph.doc_string = f"D24FAD. {RESEARCH_USE_ONLY}"
        onnx.checker.check_model(graph)
        onnx.save(graph, str(temporary))
