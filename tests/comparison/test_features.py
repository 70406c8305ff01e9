"""Features of slices do not depend on company, and survive their file."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.cache.tensor_file import save_tensors
from d24fad_core.comparison.features import (
    CHUNK,
    SliceFeatures,
    StudyFeatures,
    UnitFeatures,
    encode_images,
    load_features,
    save_features,
)
from d24fad_core.comparison.scoring import MapKey, MapKind
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher

EVERY_KEY: tuple[MapKey, ...] = tuple((kind, scale) for kind in MapKind for scale in range(3))
PARTS = [(name, scale) for name in ("teacher", "student") for scale in range(3)]


@pytest.fixture(scope="module", params=["efficientnet_lite0", "resnet18"])
def model(request: pytest.FixtureRequest) -> D24FAD:
    torch.manual_seed(0)
    config = NetworkConfig(request.param, StudentConfig(blocks=(2, 1, 1), widths=(32, 16, 8)))
    teacher = build_teacher(request.param, pretrained=request.param == "efficientnet_lite0")
    return D24FAD(config, teacher).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(CHUNK + 2, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def encoded(model: D24FAD, images: Tensor) -> dict[tuple[str, int], Tensor]:
    chunks = list(encode_images(model, images, EVERY_KEY))
    return {
        (name, scale): torch.cat([getattr(chunk, name)[scale] for chunk in chunks])
        for name, scale in PARTS
    }


@pytest.mark.parametrize("count", [1, 5, CHUNK, CHUNK + 1])
def test_features_do_not_depend_on_how_many_images_there_are(
    model: D24FAD, images: Tensor, count: int
) -> None:
    whole, part = encoded(model, images), encoded(model, images[-count:])
    for key in PARTS:
        assert torch.equal(part[key], whole[key][-count:]), key


@pytest.mark.usefixtures("threads")
def test_features_do_not_depend_on_order_or_company(model: D24FAD, images: Tensor) -> None:
    whole = encoded(model, images)
    order = torch.randperm(CHUNK + 2, generator=torch.Generator().manual_seed(1))
    shuffled = encoded(model, images[order])
    copies = encoded(model, images[4:5].expand(3, -1, -1, -1))
    for key in PARTS:
        assert torch.equal(shuffled[key], whole[key][order]), key
        assert all(torch.equal(each, whole[key][4]) for each in copies[key]), key


def test_features_are_those_of_the_network_in_half_precision(model: D24FAD, images: Tensor) -> None:
    features_alone = encoded(model, images[:CHUNK])
    with torch.inference_mode():
        expected = model.encode(images[:CHUNK])
    for name, scale in PARTS:
        assert features_alone[name, scale].dtype == torch.float16
        assert torch.equal(features_alone[name, scale], getattr(expected, name)[scale].half())


@pytest.mark.parametrize(
    ("kind", "teacher", "student"),
    [
        (MapKind.TEACHER_SUPPORT, {1}, set()),
        (MapKind.SELF_DISTILLATION, set(), {1}),
        (MapKind.TEACHER_STUDENT, {1}, {1}),
    ],
)
def test_only_wanted_features_are_kept(
    model: D24FAD, images: Tensor, kind: MapKind, teacher: set[int], student: set[int]
) -> None:
    (chunk,) = encode_images(model, images[:2], [(kind, 1)])
    assert set(chunk.teacher) == teacher
    assert set(chunk.student) == student


def test_chunks_come_in_order_and_none_is_lost(model: D24FAD, images: Tensor) -> None:
    lengths = [len(chunk.teacher[1]) for chunk in encode_images(model, images, EVERY_KEY)]
    assert lengths == [CHUNK, 2]


@pytest.fixture
def features() -> StudyFeatures:
    generator = torch.Generator().manual_seed(0)
    slices = SliceFeatures(
        {1: torch.randn(5, 4, 8, 8, generator=generator).half()},
        {
            0: torch.randn(5, 2, 16, 16, generator=generator).half(),
            2: torch.randn(5, 3, 4, 4, generator=generator).half()[:, :, ::1],
        },
    )
    return StudyFeatures(slices, torch.rand(5, 32, 32, generator=generator) > 0.5, 0.1 + 0.2)


def test_features_survive_their_file(features: StudyFeatures, tmp_path: Path) -> None:
    path = tmp_path / "new" / "features.safetensors"
    save_features(features, path)
    loaded = load_features(path)
    assert loaded is not None
    assert loaded.similarity == features.similarity
    assert len(loaded) == len(features) == 5
    assert torch.equal(loaded.foreground, features.foreground)
    for name in ("teacher", "student"):
        expected, copy = (getattr(each.slices, name) for each in (features, loaded))
        assert copy.keys() == expected.keys()
        assert all(torch.equal(copy[scale], expected[scale]) for scale in expected)
    assert list(path.parent.iterdir()) == [path]


def test_unit_features_have_length_one_and_zeros_stay(features: StudyFeatures) -> None:
    values = {scale: maps.clone() for scale, maps in features.slices.teacher.items()}
    scale = next(iter(values))
    values[scale][0, :, 0, 0] = 0
    rows = torch.tensor([1, 0])
    unit = UnitFeatures(SliceFeatures(values, features.slices.student), rows)
    value = unit.of((MapKind.TEACHER_SUPPORT, scale))
    expected = F.normalize(values[scale][rows].float(), dim=1).permute(2, 0, 3, 1)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-6)
    assert not value[0, 1, 0].any()


def test_slices_are_picked_from_every_scale(features: StudyFeatures) -> None:
    picked = features.slices[torch.tensor([3, 0])]
    assert torch.equal(picked.teacher[1], features.slices.teacher[1][[3, 0]])
    assert torch.equal(picked.student[2], features.slices.student[2][[3, 0]])


def test_an_unreadable_file_counts_as_absent(features: StudyFeatures, tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    assert load_features(path) is None
    save_features(features, path)
    whole = path.read_bytes()
    for content in (b"", b"junk", whole[:5], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.warns(CacheWarning, match="was damaged"):
            assert load_features(path) is None
        assert not path.exists()
    path.mkdir()
    assert load_features(path) is None


@pytest.mark.parametrize("metadata", [{}, {"similarity": "unknown"}], ids=["empty", "no number"])
def test_a_file_of_something_else_counts_as_absent(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    path = tmp_path / "features.safetensors"
    foreground = {"foreground": torch.ones(2, 4, 4, dtype=torch.uint8)}
    for save in (save_file, save_tensors):
        save(foreground, path, metadata)
        with pytest.warns(CacheWarning):
            assert load_features(path) is None
        save({"weights.part": torch.ones(2)}, path, {"similarity": "1.0"})
        with pytest.warns(CacheWarning):
            assert load_features(path) is None
