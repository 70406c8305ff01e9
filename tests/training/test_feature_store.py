import shutil
from pathlib import Path

import pytest
import torch

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.errors import InputError
from d24fad_core.images.image_folder import find_task, load_images, to_unit
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.training.feature_store import FeatureStore
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import write_task
from tests.rounding import as_exact_as, in_float64, largest_error


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    return find_task(write_task(tmp_path, train=11), "discs").train_good


def stored_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def never(step: str, fraction: float) -> None:
    pytest.fail("computed again")


@pytest.mark.parametrize("mirrored", [False, True])
def test_features_are_the_teachers(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path, mirrored: bool
) -> None:
    """As exact as the teacher in one batch, and then rounded to float16 but for the embedding."""
    store = FeatureStore(tmp_path, model, 64)
    embeddings = store.features("discs/train", files, mirrored=mirrored)
    images = to_unit(load_images(files, 64))
    images = images.flip(-1) if mirrored else images
    with torch.inference_mode():
        features, embedding = model.embed(images)
        exact_features, exact_embedding = in_float64(model).embed(images.double())
    for mine, theirs, exact in zip(
        embeddings.images.features, features, exact_features, strict=True
    ):
        assert mine.dtype == torch.float16
        torch.testing.assert_close(
            mine.double(), exact, rtol=2.0**-11, atol=4.0 * largest_error(theirs, exact)
        )
    assert embeddings.images.embedding.dtype == torch.float32
    assert as_exact_as(embeddings.images.embedding, embedding, exact_embedding)
    if mirrored:
        assert embeddings.key != store.features("discs/train", files).key


@pytest.mark.parametrize("error", [1e-4, -1e-4])
def test_a_slightly_wrong_teacher_is_told_from_rounding(
    model: D24FAD, files: tuple[Path, ...], error: float
) -> None:
    """The weights of one layer, in the middle, are off by 0.01 %."""
    images = to_unit(load_images(files, 64))
    wrong = untrained_network()
    weights = [weight for weight in wrong.teacher.parameters() if weight.ndim == 4]
    with torch.no_grad():
        weights[len(weights) // 2].mul_(1.0 + error)
    with torch.inference_mode():
        _, right = model.embed(images)
        _, other = wrong.embed(images)
        _, exact = in_float64(model).embed(images.double())
    assert as_exact_as(right, right, exact)
    assert not as_exact_as(other, right, exact)


def test_features_are_computed_once(model: D24FAD, files: tuple[Path, ...], tmp_path: Path) -> None:
    first = FeatureStore(tmp_path, model, 64).features("discs/train", files)
    again = FeatureStore(tmp_path, model, 64).features("discs/train", files, progress=never)
    assert again.key == first.key
    assert torch.equal(again.images.embedding, first.images.embedding)


def test_an_image_has_the_same_features_in_any_company(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path, model, 64)
    together = store.features("all", files).images
    alone = store.features("alone", files[9:10]).images
    for mine, theirs in zip(alone.features, together.features, strict=True):
        assert torch.equal(mine[0], theirs[9])
    assert torch.equal(alone.embedding[0], together.embedding[9])


def test_whatever_shapes_features_is_in_their_key(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path
) -> None:
    def key(network: D24FAD = model, size: int = 64) -> str:
        return FeatureStore(tmp_path, network, size).features("discs", files).key

    raw = untrained_network()
    object.__setattr__(raw.config, "normalise_input", False)
    other_teacher = untrained_network()
    with torch.no_grad():
        next(other_teacher.teacher.parameters()).add_(0.1)
    keys = [key(), key(size=32), key(raw), key(other_teacher)]
    shutil.copy(files[0], files[1])
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert len(stored_files(tmp_path)) == len(keys)


def test_the_student_is_not_in_the_key(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path
) -> None:
    one = FeatureStore(tmp_path, model, 64).features("discs", files)
    other = FeatureStore(tmp_path, untrained_network(seed=1), 64)
    assert other.features("discs", files, progress=never).key == one.key


@pytest.mark.parametrize("content", [b"", b"not a safetensors file"])
@pytest.mark.filterwarnings("ignore::d24fad_core.cache.folder.CacheWarning")
def test_a_damaged_file_is_computed_again(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path, content: bytes
) -> None:
    store = FeatureStore(tmp_path, model, 64)
    before = store.features("discs", files).images.embedding.clone()
    (path,) = stored_files(tmp_path)
    path.unlink()
    path.write_bytes(content)
    assert torch.equal(store.features("discs", files).images.embedding, before)


@pytest.mark.parametrize("place", [0, 9, 200, 5000, -1])
def test_a_changed_byte_is_noticed_and_the_features_computed_again(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path, place: int
) -> None:
    store = FeatureStore(tmp_path, model, 64)
    before = store.features("discs", files[:2]).images.embedding.clone()
    (path,) = stored_files(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.unlink()  # the tensors above are mapped from it
    path.write_bytes(content)
    with pytest.warns(CacheWarning, match="computed again"):
        again = store.features("discs", files[:2])
    assert torch.equal(again.images.embedding, before)
    store.features("discs", files[:2], progress=never)


def test_an_unreadable_image_is_named_and_nothing_is_left(
    model: D24FAD, files: tuple[Path, ...], tmp_path: Path
) -> None:
    files[10].write_bytes(b"no picture")
    with pytest.raises(InputError, match=files[10].name):
        FeatureStore(tmp_path / "out", model, 64).features("discs", files)
    assert stored_files(tmp_path / "out") == []
