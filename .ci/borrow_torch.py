"""Lends one environment's PyTorch to the environment that runs this, and nothing else of it.

`NEW/bin/python .ci/borrow_torch.py OTHER/bin/python FOLDER` fills FOLDER with links and adds it to
the path. Ends with 1 where OTHER has no PyTorch for this Python.
"""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

LISTED = """
import json, sys
from importlib.metadata import distributions
names = {}
for one in distributions():
    name = one.metadata["Name"].lower().replace("_", "-")
    if name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-")):
        names[name] = sorted({str(one.locate_file(file.parts[0])) for file in one.files or ()
                              if file.parts[0] not in ("..", "__pycache__")})
print(json.dumps({"python": sys.version_info[:2], "packages": names}))
"""
"""PyTorch and what it alone requires, each bound to the other's exact version."""


def main(other: str, folder: Path) -> int:
    """Link and add to the path; returns the exit status."""
    try:
        listed = subprocess.run([other, "-c", LISTED], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 1
    found = json.loads(listed.stdout)
    if tuple(found["python"]) != sys.version_info[:2] or "torch" not in found["packages"]:
        return 1
    folder.mkdir(parents=True)
    for parts in found["packages"].values():
        for part in map(Path, parts):
            link = folder / part.name
            if not link.exists():
                link.symlink_to(part)
    Path(sysconfig.get_path("purelib"), "borrowed_torch.pth").write_text(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).absolute()))
