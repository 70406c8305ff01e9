"""`d24fad cache`, and analyses whose cache is damaged, full or closed."""

from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core.cache.folder import LIMIT_VARIABLE, cached_files
from d24fad_core.cli import app


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def detect(studies: Path, untrained: Path, cache: Path) -> Result:
    return run(
        *("detect", studies / "case.nii.gz", "--support", studies / "normals"),
        *("--out", studies / "out", "--checkpoint", untrained, "--cache", cache),
        *("--threads", "1", "--json"),
    )


def test_the_cache_is_described_and_emptied(studies: Path, untrained: Path) -> None:
    cache = studies / "cache"
    assert run("cache", "info", "--cache", cache).stdout.startswith(f"{cache}: 0 files, 0.00 of 20")
    assert detect(studies, untrained, cache).exit_code == 0
    count = len(cached_files(cache))
    kinds = Counter(file.path.parent.name for file in cached_files(cache))
    normals = len(list((studies / "normals").iterdir()))
    assert kinds["profiles"] == kinds[cache.name] == normals
    assert kinds["studies"] == normals + 1  # the case, too
    assert kinds["frames"] == kinds["references"] == 1
    text = run("cache", "info", "--cache", cache).stdout
    assert f"{count} files" in text and LIMIT_VARIABLE in text and "Last used" in text
    assert run("cache", "clear", "--cache", cache).stdout.endswith("GB freed.\n")
    assert not cached_files(cache)


def test_a_wrong_limit_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    answer = run("cache", "info", "--cache", tmp_path)
    assert answer.exit_code == 2
    assert answer.stderr.startswith("error: D24FAD_CACHE_GB is 'much'")


def test_a_damaged_or_closed_cache_changes_nothing_but_is_told_once(
    studies: Path, untrained: Path
) -> None:
    cache = studies / "cache"
    heatmap = studies / "out" / "heatmap.nii.gz"
    usual = detect(studies, untrained, cache).stderr
    expected = heatmap.read_bytes()
    features = max(cached_files(cache), key=lambda file: file.size).path
    content = bytearray(features.read_bytes())
    content[-40] ^= 64
    features.write_bytes(bytes(content))
    again = detect(studies, untrained, cache)
    assert heatmap.read_bytes() == expected
    message = f"warning: {features} was damaged; it was removed and is computed again.\n"
    assert again.stderr == message + usual
    assert features.is_file()

    (studies / "taken").write_text("a file, so that nothing can be written below it")
    closed = detect(studies, untrained, studies / "taken" / "cache")
    assert closed.exit_code == 0, (closed.output, closed.exception)
    assert heatmap.read_bytes() == expected
    assert closed.stderr.count("the cache cannot be written") == 1
