"""`d24fad detect`: analyse one study against a support set of normal ones."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cache.folder import default_folder
from d24fad_core.cli.contrasts import (
    ContrastCommands,
    ContrastInputs,
    check_contrasts,
    detect_contrasts,
    show_contrasts,
)
from d24fad_core.cli.dicom_outbox import DicomOutbox
from d24fad_core.cli.masks import MaskChoice, mask_studies
from d24fad_core.cli.messages import progress_bar, spoken_warnings, warn
from d24fad_core.cli.paths import check_checkpoint, check_exists, check_output
from d24fad_core.cli.prior import (
    PriorStudy,
    changes_against_normals,
    detect_changes,
    show_changes,
)
from d24fad_core.cli.studies import read_study, read_support
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import CancelledError, ConfigurationError
from d24fad_core.io.own_results import RESULT_FILES
from d24fad_core.masking.choice import BrainMask
from d24fad_core.progress import silent
from d24fad_core.volumes.reduction import LARGEST_WHOLE_SCAN
from d24fad_core.volumes.volume import Modality, Plane, Volume

if TYPE_CHECKING:
    from d24fad_core.change.result import ChangeResult
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.export import WrittenFiles
    from d24fad_core.io.known_studies import StudySource
    from d24fad_core.support.matched_normal import MatchedNormal
    from d24fad_core.support.support_set import SupportSet

_ROWS = 20
_NORMALS_SHOWN = 2

EPILOG = """
Examples:

    d24fad detect case.nii.gz --support normals/ --out results/case

    d24fad detect today.nii.gz --prior last-year.nii.gz --out results/case

    d24fad detect --image flair=case/flair.nii.gz --image t1=case/t1.nii.gz \\
        --support normal-people/ --out results/case

    d24fad detect ct-series/ --support normal-cts/ --out results/ct \\
        --window lung --plane axial --plane coronal

    d24fad detect ct-series/ --support normal-cts/ --out results/ct \\
        --stow http://localhost:8042/dicom-web

    d24fad detect case.nii.gz --support a.nii.gz --support b.nii.gz \\
        --out results/case --json > case.json
"""


def detect(
    ctx: typer.Context,
    image: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IMAGE]",
            help="Study to analyse: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or a folder that "
            "holds one DICOM series.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where to write heatmap.nii.gz, mask.nii.gz, findings.nii.gz, findings.csv, "
            "report.json, overlay.png and report.html (with --prior also change.nii.gz, "
            "changes.csv and changes.png, alone beside report.json where there are no normals); "
            "made if it does not exist, files of an earlier run are replaced.",
            show_default=False,
        ),
    ],
    support: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Normal studies of other patients, same body part and kind of scan: a folder of "
            "studies, or one study; repeat it for several. At least 2, better 4 to 8. Not needed "
            "with --prior.",
            show_default=False,
        ),
    ] = None,
    contrasts: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            metavar="NAME=FILE",
            help="In place of IMAGE: one contrast of the person, such as flair=F.nii.gz; repeat it "
            "for each. The first decides the grid of the results. The support then has a folder "
            "for each person with scans of the same names.",
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Earlier study of the same patient in the same kind of scan: what is new, grown, "
            "shrunk or gone since is said, with the volumes at both times.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Model to use: the checkpoint folder that d24fad train or import-official wrote.",
            show_default="the shipped model",
        ),
    ] = None,
    decoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Decoder for the learned comparison: the folder that d24fad train-decoder wrote.",
            show_default="the shipped decoder",
        ),
    ] = None,
    plane: Annotated[
        list[Plane] | None,
        typer.Option(
            metavar="PLANE",
            help="Slices to analyse: axial, coronal or sagittal; repeat it for several, whose "
            "scores are then combined. The picture shows the first.",
            show_default="axial",
        ),
    ] = None,
    modality: Annotated[
        Modality | None,
        typer.Option(
            metavar="CT|MR",
            case_sensitive=False,
            help="What the values of IMAGE and support are. Default: from the header (DICOM), else "
            "CT where they look like HU.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="CT only: range of HU to look at; body, lung, mediastinum, abdomen, liver, brain "
            "or bone.",
        ),
    ] = "body",
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="Z",
            help="Score above which a voxel belongs to a finding, in standard deviations of the "
            "normals.",
            show_default="from the calibration",
        ),
    ] = None,
    minimum_volume: Annotated[
        float, typer.Option(metavar="ML", help="Smaller findings are dropped, in ml.")
    ] = 0.1,
    register: Annotated[
        bool,
        typer.Option(
            help="Align every study by affine registration; otherwise slices match by relative "
            "position along the body, a little faster and much less exact.",
        ),
    ] = True,
    translate: Annotated[
        bool,
        typer.Option(
            "--translate",
            help="For normals of another scanner or sequence: what differs everywhere is learnt "
            "from the case itself, and the normals are translated into its look. Uses the "
            "teacher alone, takes seconds more a plane.",
        ),
    ] = False,
    comparison: Annotated[
        ComparisonKind | None,
        typer.Option(
            metavar="HOW",
            help="How the study is compared with the normals: window (features of teacher and "
            "student at the same place), translated (as --translate) or learned (a decoder that "
            "was taught on anomalies planted into brains in MR is shown both: the better choice "
            "for them, see BENCHMARK.md; heads are stripped).",
            show_default="window",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Mask of IMAGE on its own grid; only what is inside is analysed.",
            show_default=False,
        ),
    ] = None,
    support_mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Masks of the normals, one each: a file named as the study, such as NAME.nii.gz "
            "or NAME-mask.nii.gz.",
            show_default=False,
        ),
    ] = None,
    brain: Annotated[
        BrainMask,
        typer.Option(
            help="How heads are stripped to the brain. auto: where they are compared with studies "
            "of the brain alone, by deepbet if it is installed, else by template; a CT loses its "
            "table. deepbet, template: every head.",
        ),
    ] = BrainMask.AUTO,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="D24FAD_CACHE",
            help="Where the support's features are kept for the next run.",
            show_default="d24fad in the user's cache folder",
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no features on disk.")] = False,
    regions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Label map in the space of IMAGE, such as TotalSegmentator's, to name where "
            "findings are; names of the labels come from a .json or .tsv beside it. Without one, "
            "lobes and deep structures are named in MR of brains.",
            show_default=False,
        ),
    ] = None,
    reduce_above: Annotated[
        int,
        typer.Option(
            min=8,
            metavar="VOXELS",
            help="A scan of more voxels is never held whole: while it is read, blocks of voxels "
            "are averaged until an eighth of this number is left. Heatmap and mask are on the "
            "scan's own grid all the same.",
        ),
    ] = LARGEST_WHOLE_SCAN,
    html: Annotated[
        bool,
        typer.Option(
            "--html/--no-html",
            help="Write report.html, a page that opens in any browser without a network. It holds "
            "a picture of the study.",
        ),
    ] = True,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="For a DICOM series: also write OUT/dicom, a segmentation, a parametric map, a "
            "structured report and a series of colour pictures. Needs pip install 'd24fad[dicom]'.",
        ),
    ] = False,
    stow: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send what --dicom writes to this DICOMweb service, and write it too.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(metavar="NAME", help="Where the network runs: cpu, or cuda for a GPU."),
    ] = "cpu",
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="CPU threads to use.", show_default="all"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and nothing else, on stdout.")
    ] = False,
) -> None:
    """Analyse a study against a few normal ones and show where it differs.

    Scores are absolute: so many standard deviations from what normal patients show, not scaled by
    the case itself (but for --translate, which fits the normals to it). Writes a heatmap and a mask
    on the study's own grid, a report with the list of findings, a picture, and a page to scroll
    through it all. What makes a result doubtful is said at the end and in each of them.
    """
    single_alone = {
        "--prior": prior,
        "--mask": mask,
        "--support-mask": support_mask,
        "--regions": regions,
        "--dicom": dicom,
        "--stow": stow,
    }
    images = check_contrasts(image, contrasts, support, out, single_alone) if contrasts else {}
    image = image or next(iter(images.values()), None)
    if image is None:
        raise ConfigurationError(
            "there is no study to analyse; name one, or each contrast of a person as --image "
            "NAME=FILE."
        )
    check_exists(image, prior, *(support or ()), *([regions] if regions else []))
    check_checkpoint(checkpoint)
    check_output(out, image, [*(support or ()), *([prior] if prior else [])])
    earlier = None if prior is None else PriorStudy(prior, modality, reduce_above, mask, brain)
    if not support:
        if earlier is None:
            raise ConfigurationError(
                "there is nothing to compare the study with; give normal studies (--support), an "
                "earlier study of the patient (--prior), or both."
            )
        if dicom or stow:
            raise ConfigurationError(
                "DICOM results need normal studies; give --support too, or leave --dicom and "
                "--stow out."
            )
        detect_changes(
            earlier,
            image,
            out,
            None if no_cache else cache or default_folder(),
            quiet=quiet,
            json=json,
        )
        return
    # PyTorch takes seconds to import; `--help`, wrong options and paths need not wait for it.
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.detection.placing import with_places
    from d24fad_core.export import report_document, write_result
    from d24fad_core.export.report import report_text
    from d24fad_core.places.region_map import read_region_map

    options = DetectionOptions(
        planes=tuple(plane or (Plane.AXIAL,)),
        ct_window=window,
        threshold=threshold,
        minimum_volume_ml=minimum_volume,
        register=register,
        comparison=ComparisonKind.TRANSLATED if translate else comparison,
    )
    cache = None if no_cache else cache or default_folder()
    if threads is not None:
        _limit_threads(threads)
    load_detector: Callable[..., Detector] = ctx.obj or Detector.from_checkpoint
    if images:
        detect_contrasts(
            ContrastInputs(images, support, modality, reduce_above, brain),
            options,
            out,
            cache,
            ContrastCommands(
                lambda: load_detector(
                    checkpoint, cache_folder=cache, device=device, decoder=decoder
                ),
                _nearest,
                _show,
            ),
            html=html,
            quiet=quiet,
            json=json,
        )
        return
    before = _written(out)
    try:
        query = read_study(image, modality, reduce_above)
        region_map = None if regions is None else read_region_map(regions)
        outbox = DicomOutbox.open(image, query, out, stow) if dicom or stow else None
        studies = read_support(support, query, modality, reduce_above, cache)
        masks = MaskChoice(mask, support_mask, brain)
        with spoken_warnings():
            case, studies = mask_studies(
                query, studies, masks, cache, reduce_above, strip_heads=options.brain_alone
            )
        detector = load_detector(checkpoint, cache_folder=cache, device=device, decoder=decoder)
        with spoken_warnings(), progress_bar("support", quiet=quiet) as progress:
            support_set = detector.prepare_support(studies, options, progress)
        with progress_bar("study", quiet=quiet) as progress:
            result = detector.detect(case, support_set, options, progress)
            progress("places", 0.95)
            result = with_places(result, case, region_map)
            progress("writing", 1.0)
            normals = (
                _nearest(detector, case, studies, support_set, result, options) if html else []
            )
            change = (
                None
                if earlier is None
                else changes_against_normals(
                    earlier,
                    case,
                    result,
                    lambda study: detector.detect(study, support_set, options, silent),
                    cache,
                )
            )
        files = write_result(query, result, out, page=html, normals=normals, change=change)
        if outbox is not None:
            outbox.deliver(query, result)
    except KeyboardInterrupt:
        names = sorted(_written(out) - before)
        done = f"{', '.join(name for name, _ in names)} had been written to" if names else ""
        raise CancelledError(f"stopped; {done or 'no result was written to'} {out}") from None
    for warning in (*result.warnings, *(() if change is None else change.warnings)):
        warn(str(warning))
    if json:
        typer.echo(report_text(report_document(result, change=change)), nl=False)
    elif not quiet:
        _show(result, files, change)
        if outbox is not None:
            typer.echo(outbox.folder)


def _written(out: Path) -> set[tuple[str, int]]:
    """The results in a folder, and when each was written."""
    files = (out / name for name in RESULT_FILES)
    return {(file.name, file.stat().st_mtime_ns) for file in files if file.is_file()}


def _limit_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _nearest(
    detector: "Detector",
    query: Volume,
    studies: "Sequence[StudySource]",
    support: "SupportSet",
    result: AnomalyResult,
    options: "DetectionOptions",
) -> "list[MatchedNormal]":
    """The normals that are most like the first findings, laid on the study."""
    names = [study.name for study in studies]
    wanted = [finding.nearest_normal for finding in result.findings if finding.nearest_normal]
    if not wanted:
        shares = [use.share for use in result.provenance.supports]
        wanted = [names[shares.index(max(shares))]]
    chosen = list(dict.fromkeys(wanted))[:_NORMALS_SHOWN]
    return [detector.match(query, studies[names.index(name)], support, options) for name in chosen]


def _show(result: AnomalyResult, files: "WrittenFiles", change: "ChangeResult | None") -> None:
    """Print the case score, the findings, the changes and the files."""
    from d24fad_core.detection.source_grid import on_source_grid
    from d24fad_core.export.wording import as_high_count, volume_text

    console = Console(markup=False, highlight=False)
    findings = on_source_grid(result).findings
    calibration = result.calibration
    console.print(
        f"{result.provenance.query_name}: case score {result.case_score:.2f} z, "
        f"p = {calibration.p_value:.3f} against {calibration.normal_patients} normal patients"
    )
    console.print(calibration.statement, style="dim")
    mask = result.provenance.parameters.get("mask", "none")
    if mask != "none":
        console.print(f"Analysed inside a mask alone: {mask}.", style="dim")
    if findings:
        table = Table(title=f"Findings above {calibration.threshold:.2f} z", title_justify="left")
        for heading in (
            "rank",
            "volume ml",
            "peak z",
            "mean z",
            "centre RAS mm",
            "slices",
            "normals",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for finding in findings[:_ROWS]:
            first, last = finding.slice_range
            as_high = as_high_count(finding, calibration)
            table.add_row(
                str(finding.rank),
                volume_text(finding.volume_ml),
                f"{finding.peak_score:.2f}",
                f"{finding.mean_score:.2f}",
                ", ".join(f"{place:.1f}" for place in finding.centroid_ras_mm),
                str(first) if first == last else f"{first}-{last}",
                "-" if as_high is None else f"{as_high} of {calibration.normal_patients}",
            )
        console.print(table)
        console.print("normals: how many of them score as high as the peak anywhere", style="dim")
        for finding in findings[:_ROWS]:
            if finding.place is not None:
                console.print(f"{finding.rank:>4}  {finding.place}")
        show_contrasts(result, console, _ROWS)
        if len(findings) > _ROWS:
            console.print(f"and {len(findings) - _ROWS} more in {files.report.name}")
    else:
        console.print(f"No finding above {calibration.threshold:.2f} z.")
    if change is not None:
        show_changes(change, console)
    for path in files.paths():
        typer.echo(path)
    console.print(RESEARCH_USE_ONLY, style="bold")
