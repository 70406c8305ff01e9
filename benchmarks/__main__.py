"""`python -m benchmarks --out FOLDER`: measure all parts, each in a process of its own.

A part whose JSON file is already in FOLDER is not measured again; delete the file to repeat it.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks.speed.machine import describe
from d24fad_core.files import write_text

PARTS = {
    "paper": "The paper's network: plain loop against support encoded once",
    "peers": "Peers at the same backbone",
    "volume": "The default model on whole volumes",
    "whole_requests": "Whole requests",
    "prior": "A prior without normals",
    "server": "The server",
}


def main() -> None:
    """Measure what is missing and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON and the table")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; repeatable")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--alone", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        _measure(arguments.alone, arguments.out, arguments.threads)
        return
    for part in arguments.part or PARTS:
        if not _file(arguments.out, part).exists():
            print(f"measuring {part} ...", flush=True)
            own = ["--out", str(arguments.out), "--alone", part]
            command = [sys.executable, "-m", "benchmarks", *own]
            subprocess.run([*command, "--threads", str(arguments.threads)], check=True)
    text = _tables(arguments.out)
    write_text(arguments.out / "speed.md", text)
    print(text)


def _measure(part: str, folder: Path, threads: int) -> None:
    """Measure one part in this process, so that its peak memory is its own."""
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    measured = importlib.import_module(f"benchmarks.speed.{part}").measure()
    document = {
        "machine": describe(),
        "seconds_to_measure": time.perf_counter() - begin,
        "measured": measured,
    }
    write_text(_file(folder, part), json.dumps(document, indent=1))


def _tables(folder: Path) -> str:
    parts = []
    for part, title in PARTS.items():
        path = _file(folder, part)
        if path.exists():
            document = json.loads(path.read_text(encoding="utf-8"))
            machine = document["machine"]
            table = importlib.import_module(f"benchmarks.speed.{part}").table(document["measured"])
            place = f"{machine['processor']}, {machine['threads']} threads, {machine['torch']}"
            parts.append(f"## {title}\n\n{table}\n\n*{place}*\n")
    return "\n".join(parts)


def _file(folder: Path, part: str) -> Path:
    return folder / f"{part}.json"


if __name__ == "__main__":
    main()
