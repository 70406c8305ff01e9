"""Pythons for the tests of local mode, and what they install and run; all of them real programs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from places import ROOT

from d24fad_core import __version__

OURS = ("d24fad", "monailabel_app", "__editable__", "_d24fad")
STAND_IN = """
import json, os, sys, time
from pathlib import Path

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
control = Path(os.environ["D24FAD_TEST_CONTROL"])
(control / f"started-{os.getpid()}").touch()
while (control / "wait").exists():
    time.sleep(0.02)
if (control / "refuse").exists():
    sys.exit((control / "refuse").read_text())
if (control / "problem").exists():
    print((control / "problem").read_text())
    sys.exit(2)
Path(options["--token-file"]).write_text("a token of the tests\\n")
print("a library says hello")
address = (control / "address").read_text()
(control / f"asked-{os.getpid()}").write_text(json.dumps(options))  # before it answers
print(json.dumps({"url": address, "port": int(address.rpartition(":")[2])}), flush=True)
sys.stdin.read()
"""


def bare_python(folder: Path) -> Path:
    """A Python that has nothing but its standard library."""
    venv.create(folder, symlinks=True, with_pip=False)
    return folder / "bin" / "python"


def python_without_ours(folder: Path) -> Path:
    """A Python that has what the tests have, pip included, but not D24FAD."""
    python = bare_python(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(OURS) and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    return python


def slicers_launcher(folder: Path, python: Path) -> Path:
    """A `PythonSlicer` that, as Slicer's does, puts its own folders before those of the caller.

    Returns:
        The folder that it is in.
    """
    own = folder / "slicer"
    (own / "monailabel_app").mkdir(parents=True)
    (own / "monailabel_app" / "__init__.py").write_text("raise ImportError('of Slicer')\n")
    script = folder / "bin" / "PythonSlicer"
    script.parent.mkdir()
    return _script(script, python, f"{own}:$PYTHONPATH").parent


def python_with_stand_in(folder: Path, control: Path) -> Path:
    """A Python whose server is a small program, steered by files in `control`.

    It starts at once, and answers for the server whose address is in the file `address`.
    """
    package = folder / "stand-in" / "monailabel_app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "local.py").write_text(STAND_IN)
    script = _script(folder / "python", Path(sys.executable), f"{package.parent}:{ROOT}")
    text = script.read_text().replace("exec", f"export D24FAD_TEST_CONTROL={control}\nexec")
    script.write_text(text)
    return script


def _script(script: Path, python: Path, path: str) -> Path:
    script.write_text(f'#!/bin/sh\nexport PYTHONPATH="{path}"\nexec "{python}" "$@"\n')
    script.chmod(0o755)
    return script


def wheel_of_this_repository(folder: Path) -> Path:
    """D24FAD as pip installs it, without the packages that it needs."""
    metadata = f"Metadata-Version: 2.1\nName: d24fad\nVersion: {__version__}\nProvides-Extra: local"
    information = f"d24fad-{__version__}.dist-info"
    folder.mkdir(exist_ok=True)
    wheel = folder / f"d24fad-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        names = []
        for package in ("d24fad_core", "monailabel_app"):
            for path in sorted((ROOT / package).rglob("*")):
                name = path.relative_to(ROOT)
                built = {"__pycache__", "model", "logs", "bin", "lib"} & set(name.parts)
                if path.is_file() and not built:
                    archive.write(path, name)
                    names.append(str(name))
        archive.writestr(f"{information}/METADATA", metadata + "\n")
        archive.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        names += [f"{information}/{name}" for name in ("METADATA", "WHEEL", "RECORD")]
        archive.writestr(f"{information}/RECORD", "".join(f"{name},,\n" for name in names))
    return wheel


def only_from(wheels: Path | None, index: str = "") -> dict[str, str]:
    """The variables by which pip looks nowhere but in a folder, or at an index."""
    variables = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "1"}
    variables |= {"PIP_FIND_LINKS": str(wheels) if wheels is not None else ""}
    return variables | ({"PIP_INDEX_URL": index} if index else {"PIP_NO_INDEX": "1"})


def small_disk(folder: Path, megabytes: int) -> bool:
    """Put a small disk at a folder; whether that is allowed here."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
