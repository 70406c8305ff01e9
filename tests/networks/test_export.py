"""The exported network gives the features of the one that was exported."""

from pathlib import Path

import pytest
import torch

from d24fad_core.networks.export import INPUT, OUTPUTS, export_onnx
from tests.networks.test_inference import small_network

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("teacher", ["efficientnet_lite0", "resnet18"])
def test_the_file_agrees_with_the_model_for_any_batch(tmp_path: Path, teacher: str) -> None:
    model = small_network(teacher)
    export_onnx(model, 64, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    for batch in (1, 5):
        images = torch.rand(batch, 3, 64, 64)
        outputs = session.run(list(OUTPUTS), {INPUT: images.numpy()})
        with torch.inference_mode():
            encoded = model.encode(images)
        for one, other in zip((*encoded.teacher, *encoded.student), outputs, strict=True):
            scale = float(one.abs().max())
            assert float((one - torch.from_numpy(other)).abs().max()) < 1e-4 * max(scale, 1.0)


def test_a_failed_export_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("earlier")

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(RuntimeError):
        export_onnx(small_network("resnet18"), 64, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_text() == "earlier"
