"""The `paper` preset against numbers computed by the official network (shared parity data)."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from d24fad_core.losses import self_distillation_loss, teacher_student_loss
from d24fad_core.networks.d24fad import D24FAD, PAPER
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.official import official_state
from d24fad_core.networks.teacher import build_teacher

PARITY = Path(__file__).parents[3] / "shared" / "parity"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.skipif(not PARITY.is_dir(), reason=f"no parity data at {PARITY}"),
]


def filled(part: str, name: str, shape: list[int]) -> Tensor:
    """One parameter, filled from its own name as the parity data's README says."""
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.tensor(0)
    generator = np.random.default_rng(zlib.crc32(f"{part}.{name}".encode()))
    values = generator.standard_normal(shape).astype(np.float32)
    if last == "running_var":
        values = 1 + 0.1 * np.abs(values)
    elif last in ("running_mean", "bias"):
        values = 0.1 * values
    elif values.ndim == 1:
        values = 1 + 0.1 * values
    else:
        values = values * np.sqrt(1 / np.prod(shape[1:]))
        if "proj_in" in name and "proj_in1" not in name:
            values = values * 8.0
    return torch.from_numpy(np.asarray(values, np.float32))


def images(seed: int, *shape: int) -> Tensor:
    generator = np.random.default_rng(seed)
    small = (*shape[:-2], shape[-2] // 16, shape[-1] // 16)
    coarse = generator.random(small, np.float32)
    fine = generator.random(shape, np.float32)
    coarse = coarse.repeat(16, axis=-2).repeat(16, axis=-1)
    return torch.from_numpy(0.9 * coarse + 0.1 * fine)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(PARITY / "golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def model() -> D24FAD:
    manifest = json.loads((PARITY / "manifest.json").read_text())
    parts = {
        part: {name: filled(part, name, shape) for name, shape in manifest[part].items()}
        for part in ("encoder", "decoder", "weight")
    }
    model = D24FAD(PAPER, build_teacher(PAPER.teacher, pretrained=False))
    model.load_state_dict(official_state(**parts))
    return model.eval()


def test_inference_reproduces_the_official_network(
    model: D24FAD, golden: dict[str, np.ndarray]
) -> None:
    query, support = images(1, 2, 3, 128, 128), images(2, 3, 2, 3, 128, 128)
    with torch.inference_mode():
        encoded, weighted = model(query, support)
        anomaly_map = paper_anomaly_map(encoded.student, weighted.features, 128)
        ssd = self_distillation_loss(encoded.student, weighted.features)
        tsd = teacher_student_loss(encoded.student, encoded.teacher)
    seen = {"anomaly_map": anomaly_map, "loss_ssd": ssd, "loss_tsd": tsd}
    for scale in range(3):
        seen[f"teacher_{scale}_mean"] = encoded.teacher[scale].mean((2, 3))
        seen[f"student_{scale}_mean"] = encoded.student[scale].mean((2, 3))
        seen[f"student_{scale}_slice"] = encoded.student[scale][:, :8]
        seen[f"weighted_{scale}_slice"] = weighted.features[scale][:, :8]
        seen[f"attention_{scale}"] = weighted.shares[scale]
    expected = {name[6:]: value for name, value in golden.items() if name.startswith("infer_")}
    assert seen.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            seen[name].numpy(), value, rtol=1e-4, atol=1e-4 * np.abs(value).max(), err_msg=name
        )


def test_five_training_steps_reproduce_the_official_losses(
    model: D24FAD, golden: dict[str, np.ndarray]
) -> None:
    model.train()
    assert not model.teacher.training
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, betas=(0.5, 0.999))
    losses = []
    for step in range(5):
        encoded, weighted = model(
            images(100 + step, 2, 3, 128, 128), images(200 + step, 2, 2, 3, 128, 128)
        )
        ssd = self_distillation_loss(encoded.student, weighted.features)
        tsd = teacher_student_loss(encoded.student, encoded.teacher)
        total = ssd + 0.1 * tsd
        losses.append([ssd.item(), tsd.item(), total.item()])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    np.testing.assert_allclose(losses, golden["train_losses_ssd_tsd_total"], rtol=1e-3)
