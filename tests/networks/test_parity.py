"""The `paper` preset against numbers computed by the official network (shared parity data)."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from d24fad_core.models.official import official_state
from d24fad_core.networks.d24fad import D24FAD, PAPER
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.teacher import Features, build_teacher
from d24fad_core.training.losses import self_distillation_loss, teacher_student_loss

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
    """Every array to 1e-4, as the parity data asks, but for two that float32 does not hold so well.

    The attention is the softmax of three logits of about 955 (scale 0), 553 and 133. float32 holds
    such logits to about 1e-6 of their size, and the softmax turns that into up to 1e-3 of the
    weights. What can be compared is the logarithm of the ratio of two weights, which is the
    difference of two logits: to 4e-6 of their size.

    The anomaly map, of .0013 to .0047, is the sum of three values 1 - cosine with cosines above
    .997, each rounded to about 1e-7, and of these weights. Computed in float64 from the float32
    features it misses the golden map by 1.3e-6, as float32 with other numbers of threads does.
    """
    query, support = images(1, 2, 3, 128, 128), images(2, 3, 2, 3, 128, 128)
    with torch.inference_mode():
        encoded, weighted = model(query, support)
        anomaly_map = paper_anomaly_map(encoded.student, weighted.features, 128)
        ssd = self_distillation_loss(encoded.student, weighted.features)
        tsd = teacher_student_loss(encoded.student, encoded.teacher)
        exact = exact_logits(model, encoded.student, support)
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
        if name.startswith("attention"):
            allowed = 4e-6 * float(exact[int(name[-1])].abs().max())
            np.testing.assert_allclose(
                log_ratios(seen[name].numpy()), log_ratios(value), atol=allowed, err_msg=name
            )
        else:
            allowed = 3e-6 if name == "anomaly_map" else 1e-4 * np.abs(value).max()
            np.testing.assert_allclose(
                seen[name].numpy(), value, rtol=1e-4, atol=allowed, err_msg=name
            )


def log_ratios(attention: np.ndarray) -> np.ndarray:
    """Logarithm of each weight over the first, (B, K): differences of logits."""
    logarithms = np.log(attention.astype(np.float64))
    return logarithms - logarithms[:, :1]


def exact_logits(model: D24FAD, query: Features, support: Tensor) -> list[Tensor]:
    """Logits of learn-to-weight, (B, K) a scale, in float64 from the float32 features."""
    supports = [model.encode(each).student for each in support]
    logits = []
    for scale, key in enumerate(model.weighting.keys):
        offered = torch.stack([features[scale] for features in supports], dim=1).double()
        weight, bias = key.weight[:, :, 0, 0].double(), key.bias.double()
        keys = torch.einsum("dc,bkchw->bkdhw", weight, offered) + bias[:, None, None]
        channels = offered.shape[2]
        logits.append((keys * query[scale].double()[:, None]).sum((2, 3, 4)) / channels**0.5)
    return logits


def test_the_golden_attention_is_no_more_exact_than_its_logits(
    model: D24FAD, golden: dict[str, np.ndarray]
) -> None:
    """Logits in float64 miss the golden attention by more than 1e-4 as well.

    So it is the rounding of the golden numbers that forbids a comparison of the weights themselves
    to 1e-4. The float64 logits lie as near to the golden ones as those of the network in float32.
    """
    query, support = images(1, 2, 3, 128, 128), images(2, 3, 2, 3, 128, 128)
    with torch.inference_mode():
        exact = exact_logits(model, model.encode(query).student, support)
    errors = []
    for scale, logits in enumerate(exact):
        attention = golden[f"infer_attention_{scale}"]
        errors.append(np.abs(logits.softmax(dim=1).numpy() / attention - 1).max())
        apart = log_ratios(logits.softmax(dim=1).numpy()) - log_ratios(attention)
        assert np.abs(apart).max() < 4e-6 * float(logits.abs().max())
    assert errors[0] > 2e-4
    assert errors[0] > errors[2]


# Relative; the largest deviations of ten runs were 6e-4, .014, .027, .22 and 6e-5, 5e-4, .0013,
# .0055 at steps 1 to 4.
SSD_TOLERANCE = (1e-5, 1e-3, 0.03, 0.06, 0.45)
TSD_TOLERANCE = (1e-5, 1e-3, 1e-3, 3e-3, 1.2e-2)


def test_five_training_steps_reproduce_the_official_losses(
    model: D24FAD, golden: dict[str, np.ndarray]
) -> None:
    """Steps 0 and 1 to better than 1e-3; later ones within the spread of equal runs.

    Training from this filling is chaotic. Batch normalisation over two images makes the float32
    gradient of the first step differ from the float64 gradient by 1.5 % (median over parameters),
    1.6 % of its signs flip, and Adam's first step is the sign of the gradient times the learning
    rate. Learn-to-weight's softmax is one-hot, so soon another support image is chosen. Ten
    faithful runs (one and two threads, with and without oneDNN, float64, and initial parameters
    changed by 1e-7 to 5e-7 of themselves) differ from each other as much as from the golden
    losses: at step 4 the SSD spreads over 22 %. The same steps by plain gradient descent differ
    between float32 and float64 by 4e-4 only, so the chaos is Adam's and not in the losses. A run
    with two threads reproduced step 1 to 2e-7. A detached support branch (.037), lambda 0.2 (.002)
    and 1 (.02) and a doubled learning rate (.13) all miss step 1.
    """
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
    tolerances = np.array([SSD_TOLERANCE, TSD_TOLERANCE, SSD_TOLERANCE]).T
    official = golden["train_losses_ssd_tsd_total"]
    deviations = np.abs(np.array(losses) / official - 1)
    assert (deviations < tolerances).all(), f"deviations\n{deviations}"
