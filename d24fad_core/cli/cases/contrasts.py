"""What `d24fad detect --image NAME=FILE` does: several contrasts of one person, fused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from d24fad_core.cli.cases.masks import MaskChoice, mask_studies
from d24fad_core.cli.cases.studies import open_studies, read_studies
from d24fad_core.cli.messages import Telling, progress_bar, spoken_warnings, warn
from d24fad_core.cli.options.paths import check_exists, check_output
from d24fad_core.errors import ConfigurationError
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Volume

if TYPE_CHECKING:
    from d24fad_core.contrasts.person import Person, UsableScans
    from d24fad_core.detection.automatic_comparison import AutomaticComparison
    from d24fad_core.detection.detector import Detector
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.detection.result import AnomalyResult
    from d24fad_core.export import WrittenFiles
    from d24fad_core.io.known_studies import StudySource


@dataclass(frozen=True)
class ContrastInputs:
    """What the user said about the scans.

    Attributes:
        images: file of the case by contrast, the reference first.
        support: folders of normal people.
        modality: what the values are, where the files do not say it.
        largest: voxels above which a study is reduced while it is read.
        brain: how heads are stripped.
    """

    images: Mapping[str, Path]
    support: Sequence[Path]
    modality: Modality | None
    largest: int
    brain: BrainMask


@dataclass(frozen=True)
class ContrastCommands:
    """What is done as for a single study.

    Attributes:
        load: loads the detector.
        show: prints the result.
    """

    load: "Callable[[], Detector]"
    show: "Callable[[AnomalyResult, WrittenFiles, None], None]"


def check_contrasts(
    images: Sequence[Path] | None,
    contrasts: Sequence[str] | None,
    support: Sequence[Path] | None,
    out: Path,
    unsupported: Mapping[str, object],
) -> dict[str, Path]:
    """Check what was given along with `--image`, before anything slow.

    Args:
        images: the studies that were named as well.
        contrasts: what was given as `--image`; without, nothing is checked.
        support: what was given as `--support`.
        out: where results go.
        unsupported: values of options by name that do not go with several contrasts.

    Raises:
        ConfigurationError: they do not go together.
        InputError: a file does not exist.
    """
    if not contrasts:
        return {}
    # Readers of images take a second to import; `--help` need not wait for them.
    from d24fad_core.contrasts.folders import named_paths

    paths = named_paths(contrasts)
    if images:
        raise ConfigurationError(
            f"{images[0]} and --image: a single study is no contrast",
            "give one study, or each contrast as --image NAME=FILE.",
        )
    for name, value in unsupported.items():
        if value:
            raise ConfigurationError(
                f"{name} goes with a single study",
                "leave it out, or give one contrast without --image.",
            )
    if not support:
        raise ConfigurationError(
            "there is nothing to compare the contrasts with",
            "give the folder of normal people (--support).",
        )
    check_exists(*paths.values(), *support)
    check_output(out, list(paths.values()), support)
    return paths


def detect_contrasts(
    inputs: ContrastInputs,
    options: "DetectionOptions",
    out: Path,
    cache: Path | None,
    commands: ContrastCommands,
    telling: Telling,
    *,
    html: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Analyse several contrasts of a person, write the files and tell the findings.

    Args:
        inputs: what the user said about the scans.
        options: choices for the analysis.
        out: where the files go.
        cache: folder of what earlier analyses kept.
        commands: what is done as for a single study.
        telling: what is said of the progress.
        html: write report.html.
        quiet: print no result.
        json: print the report.
    """
    from d24fad_core.contrasts.detection import ContrastDetector
    from d24fad_core.contrasts.folders import case_name
    from d24fad_core.contrasts.person import usable_scans
    from d24fad_core.detection.automatic_comparison import AutomaticComparison
    from d24fad_core.detection.nearest_normals import match_nearest, with_matched_places
    from d24fad_core.detection.placing import with_places
    from d24fad_core.export import report_document, write_result
    from d24fad_core.export.report import report_text

    scans = read_studies(list(inputs.images.values()), inputs.modality, inputs.largest, cache)
    name = case_name(inputs.images)
    case = {
        contrast: replace(scan, name=name)
        for contrast, scan in zip(inputs.images, scans, strict=True)
    }
    usable = usable_scans(list(case), _normals(inputs, case, cache))
    detector = commands.load()
    automatic = AutomaticComparison(inputs.brain, cache, own_model=detector.has_own_model)
    of_all = [person.scans[contrast] for contrast in usable.contrasts for person in usable.normals]
    with spoken_warnings():
        options, _ = automatic.resolve(options, of_all)
    case, people = _masked(case, usable, inputs, cache, options, automatic)
    together = ContrastDetector(detector, cache)
    with spoken_warnings(), progress_bar("support", telling) as progress:
        support = together.prepare_support(people, usable.contrasts, options, progress)
    reference = usable.contrasts[0]
    query = next(scan for path, scan in zip(inputs.images, scans, strict=True) if path == reference)
    query = replace(query, name=name)
    with progress_bar("study", telling) as progress:
        result = together.detect(case, support, options, progress)
        result = replace(result, warnings=(*usable.warnings, *result.warnings))
        progress("places", 0.95)
        result = with_places(result, case[reference])
        studies = [person.scans[reference] for person in people]
        normals = (
            match_nearest(detector, case[reference], studies, support.sets[0], result, options)
            if html
            else []
        )
        result = with_matched_places(result, normals)
    files = write_result(query, result, out, page=html, normals=normals)
    for warning in result.warnings:
        warn(str(warning))
    if json:
        typer.echo(report_text(report_document(result)), nl=False)
    elif not quiet:
        commands.show(result, files, None)


def show_contrasts(result: "AnomalyResult", console: Console, rows: int) -> None:
    """Print which contrast carries each finding; nothing where there is only one."""
    from d24fad_core.export.wording import contrast_sentence

    if not result.contrasts:
        return
    names = ", ".join(use.contrast for use in result.contrasts)
    console.print(f"Contrasts: {names}; all is on the grid of the first.", style="dim")
    for finding in result.findings[:rows]:
        console.print(f"{finding.rank:>4}  {contrast_sentence(finding)}")


def _normals(
    inputs: ContrastInputs, case: Mapping[str, Volume], cache: Path | None
) -> "list[Person]":
    """The normal people; the case among them is left out, and it is said."""
    from d24fad_core.contrasts.folders import find_people
    from d24fad_core.contrasts.person import Person

    folders = find_people(inputs.support, list(inputs.images))
    own = {scan.content_hash for scan in case.values()}
    people = []
    for folder in folders:
        names = [contrast for contrast in folder.scans if contrast in case]
        paths = [folder.scans[contrast] for contrast in names]
        studies = open_studies(paths, inputs.modality, inputs.largest, cache)
        if any(study.content_hash in own for study in studies):
            warn(f"{folder.name} is the case itself and was left out of the support.")
            continue
        scans = {
            contrast: replace(study, name=folder.name)
            for contrast, study in zip(names, studies, strict=True)
        }
        people.append(Person(folder.name, scans, frozenset(folder.scans) - frozenset(case)))
    return people


def _masked(
    case: Mapping[str, Volume],
    usable: "UsableScans",
    inputs: ContrastInputs,
    cache: Path | None,
    options: "DetectionOptions",
    automatic: "AutomaticComparison",
) -> "tuple[dict[str, Volume], list[Person]]":
    """Case and normal people, each contrast restricted to brain or body as a single study is."""
    masked: dict[str, Volume] = {}
    scans: list[dict[str, StudySource]] = [{} for _ in usable.normals]
    for contrast in usable.contrasts:
        masked[contrast], studies, _ = mask_studies(
            case[contrast],
            [person.scans[contrast] for person in usable.normals],
            MaskChoice(brain=inputs.brain),
            cache,
            inputs.largest,
            options,
            automatic,
        )
        for own, study in zip(scans, studies, strict=True):
            own[contrast] = study
    people = [replace(person, scans=own) for person, own in zip(usable.normals, scans, strict=True)]
    return masked, people
