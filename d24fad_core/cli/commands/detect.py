"""`d24fad detect`: analyse studies against a support set of normal ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from d24fad_core.cache.folder import default_folder
from d24fad_core.cli.cases.contrasts import (
    ContrastCommands,
    ContrastInputs,
    check_contrasts,
    detect_contrasts,
)
from d24fad_core.cli.cases.masks import MaskChoice
from d24fad_core.cli.cases.prior import ChangeOutputs, PriorStudy, detect_changes
from d24fad_core.cli.messages import Telling, say, warn
from d24fad_core.cli.options.detect_options import (
    BrainOption,
    CacheOption,
    CheckpointOption,
    ComparisonOption,
    ConfigOption,
    ContrastsOption,
    DecoderOption,
    DeviceOption,
    DicomOption,
    HtmlOption,
    ImageArguments,
    JsonOption,
    MaskOption,
    MinimumVolumeOption,
    ModalityOption,
    NoCacheOption,
    OutOption,
    PlaneOption,
    PriorOption,
    QuietOption,
    ReduceAboveOption,
    RegionsOption,
    RegisterOption,
    StowOption,
    SupportMaskOption,
    SupportOption,
    ThreadsOption,
    ThresholdOption,
    TranslateOption,
    VerboseOption,
    WindowOption,
)
from d24fad_core.cli.options.paths import check_checkpoint, check_exists, check_output
from d24fad_core.comparison.kind import ComparisonChoice, ComparisonKind
from d24fad_core.errors import CancelledError, ConfigurationError, D24FADError, InputError
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.reduction import LARGEST_WHOLE_SCAN
from d24fad_core.volumes.volume import Plane

if TYPE_CHECKING:
    from d24fad_core.cli.cases.case_analysis import AnalysedCase, CaseAnalysis

EPILOG = """
Examples:

    d24fad detect case.nii.gz --support normals/ --out results/case

    d24fad detect cases/*.nii.gz --support normals/ --out results

    d24fad detect case.nii.gz --config study.toml --out results/case

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
    images: ImageArguments = None,
    *,
    out: OutOption,
    support: SupportOption = None,
    contrasts: ContrastsOption = None,
    prior: PriorOption = None,
    checkpoint: CheckpointOption = None,
    decoder: DecoderOption = None,
    plane: PlaneOption = None,
    modality: ModalityOption = None,
    window: WindowOption = "body",
    threshold: ThresholdOption = None,
    minimum_volume: MinimumVolumeOption = 0.1,
    register: RegisterOption = True,
    translate: TranslateOption = False,
    comparison: ComparisonOption = ComparisonChoice.AUTO,
    mask: MaskOption = None,
    support_mask: SupportMaskOption = None,
    brain: BrainOption = BrainMask.AUTO,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    regions: RegionsOption = None,
    reduce_above: ReduceAboveOption = LARGEST_WHOLE_SCAN,
    html: HtmlOption = True,
    dicom: DicomOption = False,
    stow: StowOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    _config: ConfigOption = None,
) -> None:
    """Analyse a study against a few normal ones and show where it differs.

    Scores are absolute: so many standard deviations from what normal patients show, not scaled by
    the case itself (but for --translate, which fits the normals to it). Writes a heatmap and a mask
    on the study's own grid, a report with the list of findings, a picture, and a page to scroll
    through it all. What makes a result doubtful is said at the end and in each of them.

    Of several studies one that cannot be analysed is named, and the others go on.
    """
    single_alone = {
        "--prior": prior,
        "--mask": mask,
        "--support-mask": support_mask,
        "--regions": regions,
        "--dicom": dicom,
        "--stow": stow,
    }
    by_contrast = check_contrasts(images, contrasts, support, out, single_alone)
    images = images or list(by_contrast.values())[:1]
    if not images:
        raise ConfigurationError(
            "there is no study to analyse",
            "name one, or each contrast of a person as --image NAME=FILE.",
        )
    check_exists(*images, prior, mask, support_mask, regions, decoder, *(support or ()))
    check_checkpoint(checkpoint)
    folders = _folders(images, out)
    if len(images) > 1:
        for option, value in (("--prior", prior), ("--mask", mask), ("--regions", regions)):
            if value is not None:
                raise ConfigurationError(
                    f"{option} is of one study, and {len(images)} are given",
                    "analyse it alone.",
                )
    inputs = [*images, *(path for path in (prior, mask, regions) if path is not None)]
    for folder in folders:
        check_output(folder, inputs, support or ())
    telling = Telling.of(quiet=quiet, verbose=verbose)
    cache_folder = None if no_cache else cache or default_folder()
    earlier = None if prior is None else PriorStudy(prior, modality, reduce_above, mask, brain)
    if not support:
        if earlier is None:
            raise ConfigurationError(
                "there is nothing to compare the study with",
                "give normal studies (--support), an earlier study of the patient (--prior), or "
                "both.",
            )
        outputs = ChangeOutputs(page=html, dicom=dicom, stow=stow, json=json)
        detect_changes(earlier, images[0], out, cache_folder, telling, outputs)
        return
    # PyTorch takes seconds to import; `--help`, wrong options and paths need not wait for it.
    from d24fad_core.cli.cases.case_analysis import CaseAnalysis, CaseChoices
    from d24fad_core.cli.cases.findings_text import show_result
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.networks.device import named_device

    choices = CaseChoices(
        support=support,
        options=DetectionOptions(
            planes=tuple(plane or (Plane.AXIAL,)),
            ct_window=window,
            threshold=threshold,
            minimum_volume_ml=minimum_volume,
            register=register,
            comparison=ComparisonKind.TRANSLATED if translate else comparison.kind,
        ),
        masks=MaskChoice(mask, support_mask, brain),
        modality=modality,
        largest=reduce_above,
        cache=cache_folder,
        regions=regions,
        prior=earlier,
        page=html,
        dicom=dicom,
        stow=stow,
        telling=telling,
    )
    if threads is not None:
        _limit_threads(threads)
    load = ctx.obj or Detector.from_checkpoint

    def load_detector() -> Detector:
        detector: Detector = load(
            checkpoint, cache_folder=cache_folder, device=named_device(device), decoder=decoder
        )
        return detector

    if by_contrast:
        detect_contrasts(
            ContrastInputs(by_contrast, support, modality, reduce_above, brain),
            choices.options,
            out,
            cache_folder,
            ContrastCommands(load_detector, show_result),
            telling,
            html=html,
            quiet=quiet,
            json=json,
        )
        return
    analysis = CaseAnalysis(choices, load_detector)
    _analyse_all(analysis, images, folders, quiet=quiet, json=json)


def _folders(images: Sequence[Path], out: Path) -> list[Path]:
    """The folder of each case's results: of one case OUT itself.

    Raises:
        ConfigurationError: two cases have one name.
    """
    from d24fad_core.io.reading import study_name

    if len(images) == 1:
        return [out]
    names = [study_name(image) for image in images]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"{names.count(name)} studies are called {name}, and so would the folders of "
                "their results",
                "analyse them in several calls, each with its own --out.",
            )
    return [out / name for name in names]


def _analyse_all(
    analysis: "CaseAnalysis",
    images: Sequence[Path],
    folders: Sequence[Path],
    *,
    quiet: bool,
    json: bool,
) -> None:
    """Analyse the cases and print what came of them; of several, faults are told and passed over.

    Raises:
        D24FADError: the only case cannot be analysed, or some of several cannot.
    """
    from d24fad_core.export.report import report_document, report_text

    documents, failed = [], 0
    for image, folder in zip(images, folders, strict=True):
        try:
            case = analysis.analyse(image, folder)
        except CancelledError:
            raise
        except D24FADError as error:
            if len(images) == 1:
                raise
            say(f"error: {error}")
            failed += 1
            continue
        for warning in (*case.result.warnings, *(case.change.warnings if case.change else ())):
            warn(str(warning))
        if json:
            documents.append(report_document(case.result, change=case.change))
        elif not quiet:
            _show(case)
    if json and len(images) == 1:
        typer.echo(report_text(documents[0]), nl=False)
    elif json:
        typer.echo(report_text(documents), nl=False)
    if failed:
        raise InputError(
            f"{failed} of {len(images)} studies could not be analysed, for the reasons above; the "
            "results of the others are written.",
            "Mend those, or leave them out.",
        )


def _show(case: "AnalysedCase") -> None:
    from d24fad_core.cli.cases.findings_text import show_result

    show_result(case.result, case.files, case.change)
    if case.dicom is not None:
        typer.echo(case.dicom)


def _limit_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)
