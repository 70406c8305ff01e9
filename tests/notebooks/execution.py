"""Runs a notebook as a user does; `python -m tests.notebooks.execution` stores the outputs of all.

What is stored holds no widget, since without its running notebook it cannot be shown.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from d24fad_core.files import write_text

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs.

    Args:
        path: the notebook.
        folder: where it runs and writes.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=900,
        startup_timeout=600,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> dict[str, list[nbformat.NotebookNode]]:
    """The outputs of each cell of code, by its id."""
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def text(cell: list[nbformat.NotebookNode]) -> str:
    """What a cell printed."""
    return "".join(output.text for output in cell if output.output_type == "stream")


def main() -> None:
    """Run every notebook and store what came of it."""
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        for cell in outputs(notebook).values():
            cell[:] = [output for output in cell if WIDGET not in output.get("data", {})]
        notebook.metadata.language_info = {"name": "python"}
        write_text(path, nbformat.writes(notebook) + "\n")


if __name__ == "__main__":
    main()
