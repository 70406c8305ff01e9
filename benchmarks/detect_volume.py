"""How long one analysis takes, and how much memory: support first computed, then cached.

    python benchmarks/detect_volume.py CASE --support FOLDER

Prints seconds without imports and the process's peak memory. Absolute seconds belong to the
machine; the ratio of the two runs does not.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from d24fad_core.data.reading import find_studies, read_volume
from d24fad_core.detection.detector import Detector
from d24fad_core.export import write_result


def main() -> None:
    """Time the steps of an analysis."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", type=Path)
    parser.add_argument("--support", type=Path, required=True)
    parser.add_argument("--shots", type=int, default=4)
    arguments = parser.parse_args()
    paths = find_studies(arguments.support)[: arguments.shots]
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for run in ("computed", "cached"):
            begin = time.perf_counter()
            detector = Detector.from_checkpoint(cache_folder=Path(folder) / "cache")
            support = detector.prepare_support([read_volume(path) for path in paths])
            prepared = time.perf_counter()
            case = read_volume(arguments.case)
            result = detector.detect(case, support)
            analysed = time.perf_counter()
            write_result(case, result, Path(folder) / "out")
            written = time.perf_counter()
            seconds[run] = written - begin
            print(
                f"support {run}: load and prepare {prepared - begin:.1f} s, "
                f"read and analyse {analysed - prepared:.1f} s, write {written - analysed:.1f} s, "
                f"in all {written - begin:.1f} s"
            )
        print(f"case {case.shape}, {len(paths)} supports")
        print(f"cached / computed: {seconds['cached'] / seconds['computed']:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
