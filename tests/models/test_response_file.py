from pathlib import Path

import numpy as np
import pytest

from d24fad_core.comparison.normal_response import ResponseMap
from d24fad_core.errors import CheckpointError
from d24fad_core.models.decoder_checkpoint import SHIPPED_DECODER, load_decoder
from d24fad_core.models.response_file import RESPONSE_FILE, load_response, save_response


@pytest.fixture
def response() -> ResponseMap:
    values = np.random.default_rng(0).random((5, 6, 7)).astype(np.float16).astype(np.float32)
    return ResponseMap(values - 8.0, values, np.diag([4.0, 4.0, 4.0, 1.0]), -8.25, 0.5)


def test_what_was_saved_is_loaded(response: ResponseMap, tmp_path: Path) -> None:
    digest = save_response(response, tmp_path)
    again = load_response(tmp_path, digest)
    assert again is not None
    np.testing.assert_allclose(again.mean, response.mean, atol=4e-3)
    np.testing.assert_array_equal(again.spread, response.spread)
    np.testing.assert_array_equal(again.affine, response.affine)
    assert (again.average_mean, again.average_spread) == (-8.25, 0.5)


def test_a_decoder_may_have_none(tmp_path: Path) -> None:
    assert load_response(tmp_path, "") is None


@pytest.mark.parametrize("place", [20, -1])
def test_a_changed_byte_is_refused(response: ResponseMap, tmp_path: Path, place: int) -> None:
    digest = save_response(response, tmp_path)
    path = tmp_path / RESPONSE_FILE
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=RESPONSE_FILE):
        load_response(tmp_path, digest)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=RESPONSE_FILE):
        load_response(tmp_path, "0" * 64)


def test_the_shipped_decoder_knows_untouched_people() -> None:
    _, card = load_decoder()
    response = load_response(SHIPPED_DECODER, card.response_hash)
    assert response is not None
    # Around the lateral ventricles people differ; deep in white matter they hardly do.
    place = np.linalg.inv(response.affine) @ [[12, 28], [-35, -20], [22, 30], [1, 1]]
    edge, white = (response.mean[tuple(np.rint(column[:3]).astype(int))] for column in place.T)
    assert edge > white
