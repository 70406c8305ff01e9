"""`d24fad info`: what a model was made of, or how a study would be read."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.cases.studies import read_study
from d24fad_core.cli.messages import warn
from d24fad_core.cli.options.paths import check_exists
from d24fad_core.volumes.reduction import LARGEST_WHOLE_SCAN
from d24fad_core.volumes.volume import Modality, Plane, Volume

EPILOG = """
Examples:

    d24fad info

    d24fad info runs/mine/checkpoint

    d24fad info case.nii.gz
"""

_OF_A_CHECKPOINT = (".json", ".safetensors")
_MODALITY_SOURCES = {
    "header": "says the DICOM header",
    "given": "as given",
    "guessed": "guessed from the values; --modality says otherwise",
}


def info(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CHECKPOINT | IMAGE]",
            help="A model's folder, or a study: a file, or a folder with one DICOM series.",
            show_default="the shipped model",
        ),
    ] = None,
    modality: Annotated[
        Modality | None,
        typer.Option(
            metavar="CT|MR",
            case_sensitive=False,
            help="What the values of IMAGE are. Default: from the header (DICOM), else CT where "
            "they look like HU.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a model's card, or a study's geometry and how it would be read."""
    in_checkpoint = target is not None and target.suffix in _OF_A_CHECKPOINT
    check_exists(target.parent if target is not None and in_checkpoint else target)
    folder = _checkpoint_folder(target)
    if folder is not None:
        _show_card(folder)
    elif target is not None:
        study = read_study(target, modality, LARGEST_WHOLE_SCAN)
        _show(study.name, _study_rows(study))


def _checkpoint_folder(target: Path | None) -> Path | None:
    """The folder of the checkpoint that is meant; None where a study is meant."""
    if target is not None and target.is_file() and target.suffix not in _OF_A_CHECKPOINT:
        return None  # spares a study the import of PyTorch

    from d24fad_core.models.checkpoint import CARD_FILE, SHIPPED, WEIGHTS_FILE

    if target is None:
        return SHIPPED
    if target.name in (CARD_FILE, WEIGHTS_FILE):
        return target.parent
    is_checkpoint = (target / CARD_FILE).is_file() or (target / WEIGHTS_FILE).is_file()
    return target if is_checkpoint else None


def _show_card(folder: Path) -> None:
    from d24fad_core.models.checkpoint import (
        WEIGHTS_FILE,
        check_weights,
        checkpoint_hash,
        read_card,
    )

    card = read_card(folder)
    if (folder / WEIGHTS_FILE).is_file():
        check_weights(folder, card)
    else:
        warn(f"{folder} has a model card but no {WEIGHTS_FILE}; copy both.")
    values = card.to_dict()
    del values["name"], values["notice"]
    rows = [("folder", str(folder)), ("checkpoint hash", checkpoint_hash(card))]
    _show(card.name, rows + _flat(values))


def _flat(values: dict[str, Any], depth: int = 0) -> list[tuple[str, str]]:
    """Nested values as (indented name, text)."""
    rows = []
    for key, value in values.items():
        name = "  " * depth + key.replace("_", " ")
        if isinstance(value, dict):
            rows.append((name, ""))
            rows += _flat(value, depth + 1)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            rows.append((name, text))
    return rows


def _study_rows(study: Volume) -> list[tuple[str, str]]:
    import nibabel as nib
    import numpy as np

    from d24fad_core.volumes.preprocessing import CT_WINDOWS, find_foreground, intensity_range

    orientation = nib.io_orientation(study.affine)
    canonical = nib.apply_orientation(study.array, orientation)
    spacing = np.array(study.spacing)[np.argsort(orientation[:, 0])]
    head_or_body = find_foreground(canonical, tuple(spacing), study.modality, study.name)
    low, high = intensity_range(canonical, head_or_body, study.modality, "body")
    extent = (np.array(head_or_body.last) - head_or_body.first + 1) * spacing
    rows = [
        ("modality", f"{study.modality.value} ({_MODALITY_SOURCES[study.modality_source]})"),
        ("voxels", _voxels(study)),
        ("voxel size", " x ".join(f"{size:.3g}" for size in study.spacing) + " mm"),
        ("axes of the file", _axes(study)),
        ("values", f"{study.array.min():g} to {study.array.max():g}"),
        (
            "foreground",
            "{:.0f} mm right-left, {:.0f} mm front-back, {:.0f} mm bottom-top".format(*extent),
        ),
    ]
    if study.modality is Modality.CT:
        rows.append(("black to white", f"{low:g} to {high:g} HU (--window body)"))
        rows += [("", f"{b:g} to {w:g} HU (--window {n})") for n, (b, w) in CT_WINDOWS.items()][1:]
    else:
        rows.append(("black to white", f"{low:g} to {high:g} (percentiles of the foreground)"))
    for plane in Plane:
        axis = int(np.flatnonzero(orientation[:, 0] == plane.axis)[0])
        rows.append(
            (
                f"{plane.value} slices",
                f"{study.shape[axis]} of {study.spacing[axis]:.3g} mm, along axis {axis}",
            )
        )
    rows.append(("content hash", study.content_hash))
    return rows


def _voxels(study: Volume) -> str:
    """Lengths of the axes; of a scan that was reduced, its own first."""
    voxels = " x ".join(map(str, study.shape))
    if study.reduction is None:
        return voxels
    return f"{' x '.join(map(str, study.reduction.shape))}, averaged to {voxels} and so told below"


def _axes(study: Volume) -> str:
    """Where the array axes point, and how far they are turned away from there."""
    import nibabel as nib
    import numpy as np
    from nibabel.affines import obliquity

    codes = "".join(nib.aff2axcodes(study.affine))
    turned = float(np.degrees(obliquity(study.affine)).max())
    return f"{codes}, turned by {turned:.1f} degrees" if turned > 0.05 else codes


def _show(title: str, rows: list[tuple[str, str]]) -> None:
    """Print a title, named values and the notice."""
    console = Console(markup=False, highlight=False)
    console.print(title, style="bold")
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", overflow="fold", max_width=38)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    console.print(RESEARCH_USE_ONLY, style="bold")
