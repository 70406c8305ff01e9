"""The `paper` preset against numbers computed by the official network (shared parity data)."""

import copy
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from d24fad_core.models.official import official_state
from d24fad_core.networks.d24fad import D24FAD, PAPER
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.teacher import Features, build_teacher
from d24fad_core.networks.weighting import WeightedSupport
from d24fad_core.training.losses import self_distillation_loss, teacher_student_loss
from tests.rounding import in_float64, largest_error, sum_error

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


@pytest.fixture(scope="module")
def model() -> D24FAD:
    """Filled as the parity data says, in eval mode; shared, so not to be changed."""
    manifest = json.loads((PARITY / "manifest.json").read_text())
    parts = {
        part: {name: filled(part, name, shape) for name, shape in manifest[part].items()}
        for part in ("encoder", "decoder", "weight")
    }
    model = D24FAD(PAPER, build_teacher(PAPER.teacher, pretrained=False))
    model.load_state_dict(official_state(**parts))
    return model.eval()


@dataclass(frozen=True)
class Inference:
    """What a network makes of the parity data's images.

    Attributes:
        student: its student features of the query, (B, C, H, W) a scale.
        supports: those of the support, (B, K, C, H, W) a scale.
        weighted: the support as learn-to-weight presents it.
        values: what the parity data has numbers of, by name.
    """

    student: Features
    supports: Features
    weighted: WeightedSupport
    values: dict[str, Tensor]


def inference(model: D24FAD) -> Inference:
    """In the precision of the model."""
    precision = next(model.parameters()).dtype
    query = images(1, 2, 3, 128, 128).to(precision)
    support = images(2, 3, 2, 3, 128, 128).to(precision)
    with torch.inference_mode():
        encoded = model.encode(query)
        each = [model.encode(images).student for images in support]
        supports = tuple(torch.stack(scale, dim=1) for scale in zip(*each, strict=True))
        weighted = model.weighting(encoded.student, supports)
        values = compared(encoded.student, weighted)
        values["loss_tsd"] = teacher_student_loss(encoded.student, encoded.teacher)
        for scale in range(3):
            values[f"teacher_{scale}_mean"] = encoded.teacher[scale].mean((2, 3))
            values[f"student_{scale}_mean"] = encoded.student[scale].mean((2, 3))
            values[f"student_{scale}_slice"] = encoded.student[scale][:, :8]
    return Inference(encoded.student, supports, weighted, values)


def compared(student: Features, weighted: WeightedSupport) -> dict[str, Tensor]:
    """What comes of the weighted support: attention, slices, anomaly map and SSD."""
    values = {
        "anomaly_map": paper_anomaly_map(student, weighted.features, 128),
        "loss_ssd": self_distillation_loss(student, weighted.features),
    }
    for scale in range(3):
        values[f"weighted_{scale}_slice"] = weighted.features[scale][:, :8]
        values[f"attention_{scale}"] = weighted.shares[scale]
    return values


@pytest.fixture(scope="module")
def exact_model(model: D24FAD) -> D24FAD:
    return in_float64(model)


@pytest.fixture(scope="module")
def exact(exact_model: D24FAD) -> Inference:
    """In float64, whose numbers are the same to 1e-10 on every processor."""
    return inference(exact_model)


@torch.inference_mode()
def logits(model: D24FAD, student: Features, supports: Features) -> tuple[list[Tensor], ...]:
    """Logits of learn-to-weight, (B, K) a scale, and the same sums over their magnitudes."""
    sums, magnitudes = [], []
    for key, query, candidates in zip(model.weighting.keys, student, supports, strict=True):
        weight, bias = key.weight[:, :, 0, 0], key.bias
        keys = torch.einsum("dc,bkchw->bkdhw", weight, candidates) + bias[:, None, None]
        products = keys * query[:, None] / query.shape[1] ** 0.5
        sums.append(products.sum((2, 3, 4)))
        magnitudes.append(products.abs().sum((2, 3, 4)))
    return sums, magnitudes


def deviating(
    values: dict[str, Tensor], golden: dict[str, np.ndarray], exact_logits: list[Tensor]
) -> set[str]:
    """Names of float64 values that are not the official network's.

    Every array to 1e-4, as the parity data asks, but for those that the float32 of the golden
    numbers does not hold so well. What it misses is the same on every processor, since only
    float64 is computed here.

    The attention is the softmax of three logits of about 955 (scale 0), 553 and 133. The golden
    ones hold them to about 1e-6 of their size, and the softmax turns that into up to 1e-3 of the
    weights. What can be compared is the logarithm of the ratio of two weights, which is the
    difference of two logits: to 4e-6 of their size.

    The anomaly map, of .0013 to .0047, and the SSD, of .003, are sums of three values 1 - cosine
    with cosines above .997. Each is rounded as a number near 1 is, several times: to 1e-6.
    """
    names = set()
    for name, value in values.items():
        expected = golden[f"infer_{name}"]
        if name.startswith("attention"):
            allowed = 4e-6 * float(exact_logits[int(name[-1])].abs().max())
            near = np.abs(log_ratios(value.numpy()) - log_ratios(expected)) <= allowed
        elif name in ("anomaly_map", "loss_ssd"):
            near = np.abs(value.numpy() - expected) <= 3e-6
        else:
            allowed = 1e-4 * np.abs(expected).max()
            near = np.isclose(value.numpy(), expected, rtol=1e-4, atol=allowed)
        if not np.all(near):
            names.add(name)
    return names


def log_ratios(attention: np.ndarray) -> np.ndarray:
    """Logarithm of each weight over the first, (B, K): differences of logits."""
    logarithms = np.log(attention.astype(np.float64))
    return logarithms - logarithms[:, :1]


def test_inference_reproduces_the_official_network(
    exact_model: D24FAD, exact: Inference, golden: dict[str, np.ndarray]
) -> None:
    """In float64; what float32 adds to that is in the next test."""
    assert exact.values.keys() == {name[6:] for name in golden if name.startswith("infer_")}
    exact_logits, _ = logits(exact_model, exact.student, exact.supports)
    assert deviating(exact.values, golden, exact_logits) == set()


def test_float32_misses_float64_by_rounding(
    model: D24FAD, exact_model: D24FAD, exact: Inference
) -> None:
    """On this machine, whatever its order of summation.

    A logit sums C·H·W products, up to 262144: some processors add them up one by one, others in
    blocks, and differ by a factor of ten in how well they do. Two logits make a ratio of weights.
    A weighted feature moves by no more than the ratios do, times what the supports differ by.
    """
    rounded = inference(model)
    _, magnitudes = logits(exact_model, exact.student, exact.supports)
    for scale, supports in enumerate(exact.supports):
        name = f"attention_{scale}"
        ratios = 2.0 * float(sum_error(magnitudes[scale], supports[0, 0].numel()).max())
        apart = log_ratios(rounded.values[name].numpy()) - log_ratios(exact.values[name].numpy())
        assert np.abs(apart).max() <= ratios, name
        spread = supports.amax(dim=1) - supports.amin(dim=1)
        features = exact.weighted.features[scale]
        missed = (rounded.weighted.features[scale].double() - features).abs()
        assert (missed <= ratios * spread + 1e-4 * features.abs().max()).all(), scale
    for name, value in exact.values.items():
        if name.startswith(("teacher", "student", "loss_tsd")):
            torch.testing.assert_close(
                rounded.values[name].double(),
                value,
                rtol=1e-4,
                atol=1e-4 * float(value.abs().max()),
            )
    # The map of the same features: a cosine is a sum of C products over two norms.
    weighted = tuple(features.double() for features in rounded.weighted.features)
    student = tuple(features.double() for features in rounded.student)
    cosines = sum(
        2.0 * float(sum_error(torch.tensor(1.0), features.shape[1])) for features in student
    )
    expected = paper_anomaly_map(student, weighted, 128)
    assert largest_error(rounded.values["anomaly_map"], expected) <= cosines


def swap_scales(model: D24FAD) -> None:
    """Scale 1's key, with as many channels as fit, in place of scale 0's."""
    first, second = model.weighting.keys[0], model.weighting.keys[1]
    first.weight.copy_(second.weight[: first.weight.shape[0], : first.weight.shape[1]])


def scale_the_logits(model: D24FAD) -> None:
    """By 1 %."""
    for key in model.weighting.keys:
        key.weight.mul_(1.01)


def transpose_the_keys(model: D24FAD) -> None:
    for key in model.weighting.keys:
        key.weight.copy_(key.weight.transpose(0, 1).clone())


ATTENTION = {"attention_0", "attention_1", "attention_2"}


@pytest.mark.parametrize(
    ("mistake", "seen_in"),
    [
        (swap_scales, {"attention_0"}),
        (scale_the_logits, ATTENTION),
        (transpose_the_keys, ATTENTION),
    ],
)
def test_a_mistake_in_the_weighting_is_told_from_rounding(
    exact_model: D24FAD,
    exact: Inference,
    golden: dict[str, np.ndarray],
    mistake: Callable[[D24FAD], None],
    seen_in: set[str],
) -> None:
    wrong = copy.deepcopy(exact_model)
    with torch.no_grad():
        mistake(wrong)
        exact_logits, _ = logits(exact_model, exact.student, exact.supports)
        weighted = wrong.weighting(exact.student, exact.supports)
        assert deviating(compared(exact.student, weighted), golden, exact_logits) >= seen_in


def test_a_slightly_wrong_weight_is_told_from_rounding(
    exact_model: D24FAD, exact: Inference, golden: dict[str, np.ndarray]
) -> None:
    """The weights of one layer in the middle of the teacher are off by 1 %."""
    wrong = copy.deepcopy(exact_model)
    weights = [weight for weight in wrong.teacher.parameters() if weight.ndim == 4]
    with torch.no_grad():
        weights[len(weights) // 2].mul_(1.01)
    exact_logits, _ = logits(exact_model, exact.student, exact.supports)
    assert deviating(inference(wrong).values, golden, exact_logits) >= {
        "teacher_2_mean",
        "student_0_slice",
        "student_1_slice",
        "student_2_slice",
    }


def test_the_golden_attention_is_no_more_exact_than_its_logits(
    exact: Inference, golden: dict[str, np.ndarray]
) -> None:
    """So the weights themselves cannot be compared to 1e-4: the larger the logits, the less."""
    errors = [
        np.abs(exact.values[name].numpy() / golden[f"infer_{name}"] - 1).max()
        for name in ("attention_0", "attention_1", "attention_2")
    ]
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
    model = copy.deepcopy(model).train()
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
