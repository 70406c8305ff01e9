"""`python -m documentation OUT`: build the site; any warning is an error."""

import argparse
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from documentation.sources import gather

_CONFIGURATION = Path(__file__).parent


def main() -> int:
    """Gather the sources in a folder of their own and let Sphinx make the site of them."""
    parser = argparse.ArgumentParser(prog="python -m documentation", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the site")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "sources"
        gather(sources)
        return sphinx(
            [
                *("--conf-dir", str(_CONFIGURATION), "--doctree-dir", str(Path(folder) / "trees")),
                *("--fail-on-warning", "--keep-going", "--fresh-env", "--quiet"),
                *(str(sources), str(out)),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
