import io
import struct
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from d24fad_core.errors import InputError
from d24fad_core.images.image_folder import (
    find_task,
    list_normals,
    list_tasks,
    load_images,
    to_unit,
)

RAMP = np.linspace(0, 255, 16 * 16).reshape(16, 16).astype(np.uint8)
COLOURS = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=-1)


def save(path: Path, values: np.ndarray = COLOURS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two tasks and a folder that is none."""
    for task in ("chest", "brain"):
        for part in ("train/good", "test/good", "test/ungood"):
            for name in ("b.png", "a.jpg", "c.JPEG"):
                save(tmp_path / task / part / name)
            (tmp_path / task / part / "notes.txt").write_text("no image")
    (tmp_path / "papers").mkdir()
    return tmp_path


def test_a_task_lists_its_images_by_name(root: Path) -> None:
    task = find_task(root, "chest")
    assert task.name == "chest"
    for paths, part in (
        (task.train_good, "train/good"),
        (task.test_good, "test/good"),
        (task.test_ungood, "test/ungood"),
    ):
        assert paths == tuple(root / "chest" / part / name for name in ("a.jpg", "b.png", "c.JPEG"))
    assert list_normals(root, "chest") == task.train_good


def test_tasks_are_folders_with_normals_for_training(root: Path) -> None:
    assert list_tasks(root) == ["brain", "chest"]
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        list_tasks(root / "nowhere")


@pytest.mark.parametrize("part", ["train/good", "test/good", "test/ungood"])
def test_a_part_without_images_is_named_with_the_layout(root: Path, part: str) -> None:
    for path in (root / "brain" / part).glob("*.*"):
        path.unlink()
    with pytest.raises(InputError, match=rf"'brain': no JPEG or PNG image in .*{part}; the layout"):
        find_task(root, "brain")


def test_colours_keep_their_order_and_rows_stay_rows(tmp_path: Path) -> None:
    loaded = load_images([save(tmp_path / "a.png")], 16)
    assert loaded.shape == (1, 3, 16, 16) and loaded.dtype == torch.uint8
    np.testing.assert_array_equal(loaded[0].permute(1, 2, 0).numpy(), COLOURS)


def test_any_size_becomes_a_square(tmp_path: Path) -> None:
    wide = save(tmp_path / "wide.png", np.repeat(COLOURS, 3, axis=1))
    tall = save(tmp_path / "tall.png", np.repeat(COLOURS, 3, axis=0))
    loaded = load_images([wide, tall], 16).float()
    assert loaded.shape == (2, 3, 16, 16)
    assert (loaded[0] - loaded[1]).abs().max() < 12


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_every_kind_of_picture_is_read_as_colours(tmp_path: Path, mode: str) -> None:
    black_to_white = Image.fromarray(np.repeat([[0], [255]], 16, axis=1).astype(np.uint8))
    black_to_white.resize((16, 16), Image.Resampling.NEAREST).convert(mode).save(tmp_path / "a.png")
    loaded = load_images([tmp_path / "a.png"], 16)
    assert loaded.shape == (1, 3, 16, 16)
    assert (loaded[0, :, :8] == 0).all() and (loaded[0, :, 8:] == 255).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    sixteen = save(tmp_path / "sixteen.png", RAMP.astype(np.uint16) * 257)
    eight = save(tmp_path / "eight.png", RAMP)
    loaded = load_images([sixteen, eight], 16)
    assert torch.equal(loaded[0], loaded[1])


def test_an_image_is_read_the_same_in_any_company(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{i}.png", np.roll(COLOURS, i, axis=0)) for i in range(3)]
    together = load_images(files, 32)
    for index, path in enumerate(files):
        assert torch.equal(load_images([path], 32)[0], together[index])


def test_units_are_zero_to_one() -> None:
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_unit(levels).tolist() == pytest.approx([0.0, 0.2, 1.0])


def encoded(suffix: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(COLOURS).save(stream, "PNG" if suffix == ".png" else "JPEG")
    return stream.getvalue()


Chunks = list[tuple[bytes, bytes]]


def chunks(png: bytes) -> Chunks:
    """Type and content of each part of a PNG file."""
    records, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        records.append((png[place + 4 : place + 8], png[place + 8 : place + 8 + length]))
        place += 12 + length
    return records


def assembled(parts: Chunks) -> bytes:
    """A PNG file with right lengths and checksums, whatever its parts say."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
        for kind, content in parts
    )


PNG = encoded(".png")
HEADER, *REST = chunks(PNG)

NO_IMAGES = {
    "empty": b"",
    "text": b"this is no image",
    "cut off": PNG[:60],
    # A header that promises 60,000 x 60,000 pixels, as a damaged or hostile file may.
    "too large": assembled([(b"IHDR", struct.pack(">II", 60_000, 60_000) + HEADER[1][8:]), *REST]),
    "short colour table": assembled([HEADER, (b"cHRM", b"12"), *REST]),
    "unknown profile": assembled([HEADER, (b"iCCP", b"a profile\0\7"), *REST]),
    "animation without frames": assembled([HEADER, (b"acTL", b""), *REST]),
}


@pytest.mark.parametrize("content", NO_IMAGES.values(), ids=list(NO_IMAGES))
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "good.png").write_bytes(PNG)
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.png: not a whole JPEG or PNG image"):
        load_images([tmp_path / "good.png", tmp_path / "bad.png"], 32)


_KINDS = st.sampled_from([b"tRNS", b"iCCP", b"zTXt", b"pHYs", b"eXIf", b"fcTL", b"fdAT", b"PLTE"])


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(
    damage=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=6)), max_size=4),
    extra=st.lists(st.tuples(_KINDS, st.binary(max_size=20)), max_size=2),
    share=st.floats(0.1, 1.0),
    jpeg=st.booleans(),
)
def test_damage_is_either_read_or_named(
    tmp_path_factory: pytest.TempPathFactory,
    damage: list[tuple[int, bytes]],
    extra: Chunks,
    share: float,
    jpeg: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    content = bytearray(encoded(".jpg") if jpeg else b"".join(c for _, c in (HEADER, *REST)))
    for place, wrong in damage:
        start = place % len(content)
        content[start : start + len(wrong)] = wrong
    if not jpeg:
        # Damage inside the parts, past the checksums, where the decoder meets it.
        lengths = [len(part) for _, part in (HEADER, *REST)]
        ends = np.cumsum(lengths)
        header, *rest = (
            (kind, bytes(content[end - length : end]))
            for (kind, _), length, end in zip((HEADER, *REST), lengths, ends, strict=True)
        )
        content = bytearray(assembled([header, *extra, *rest]))
    path.write_bytes(content[: int(share * len(content))])
    try:
        assert load_images([path], 32).shape == (1, 3, 32, 32)
    except InputError as error:
        assert path.name in str(error)
