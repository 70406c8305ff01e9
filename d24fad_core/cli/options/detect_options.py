"""The options of `d24fad detect`: how each is written, and what its help says."""

from pathlib import Path
from typing import Annotated

import typer

from d24fad_core.cli.options.config_file import read_config
from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Plane

ImageArguments = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[IMAGE...]",
        help="Study to analyse, or several: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or a "
        "folder that holds one DICOM series.",
        show_default=False,
    ),
]
ContrastsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="NAME=FILE",
        help="In place of IMAGE: one contrast of the person, such as flair=F.nii.gz; repeat it "
        "for each. The first decides the grid of the results. The support then has a folder "
        "for each person with scans of the same names.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="Where to write heatmap.nii.gz, mask.nii.gz, findings.nii.gz, findings.csv, "
        "report.json, overlay.png and report.html (with --prior also change.nii.gz, "
        "changes.csv and changes.png, alone beside report.json where there are no normals); "
        "made if it does not exist, files of an earlier run are replaced. Of several studies each "
        "gets a folder of its name in it.",
        show_default=False,
    ),
]
SupportOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH",
        help="Normal studies of other patients, same body part and kind of scan: a folder of "
        "studies, or one study; repeat it for several. At least 2, better 4 to 8. Not needed "
        "with --prior.",
        show_default=False,
    ),
]
PriorOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Earlier study of the same patient in the same kind of scan: what is new, grown, "
        "shrunk or gone since is said, with the volumes at both times.",
        show_default=False,
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Model of the window and translated comparisons: the checkpoint folder that d24fad "
        "train or import-official wrote.",
        show_default="the shipped model",
    ),
]
DecoderOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Decoder for the learned comparison: the folder that d24fad train-decoder wrote.",
        show_default="the shipped decoder",
    ),
]
PlaneOption = Annotated[
    list[Plane] | None,
    typer.Option(
        metavar="PLANE",
        help="Slices to analyse: axial, coronal or sagittal; repeat it for several, whose "
        "scores are then combined. The picture shows the first. The learned comparison always "
        "takes all.",
        show_default="axial",
    ),
]
ModalityOption = Annotated[
    Modality | None,
    typer.Option(
        metavar="CT|MR",
        case_sensitive=False,
        help="What the values of IMAGE and support are. Default: from the header (DICOM), else "
        "CT where they look like HU.",
        show_default=False,
    ),
]
WindowOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="CT only: range of HU to look at; body, lung, mediastinum, abdomen, liver, brain "
        "or bone.",
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="Z",
        help="Score above which a voxel belongs to a finding, in standard deviations of the "
        "normals.",
        show_default="from the calibration",
    ),
]
MinimumVolumeOption = Annotated[
    float, typer.Option(metavar="ML", help="Smaller findings are dropped, in ml.")
]
RegisterOption = Annotated[
    bool,
    typer.Option(
        help="Align every study by affine registration; otherwise slices match by relative "
        "position along the body, a little faster and much less exact.",
    ),
]
TranslateOption = Annotated[
    bool,
    typer.Option(
        "--translate",
        help="For normals of another scanner or sequence: what differs everywhere is learnt "
        "from the case itself, and the normals are translated into its look. Uses the "
        "teacher alone, takes seconds more a plane.",
    ),
]
ComparisonOption = Annotated[
    ComparisonChoice,
    typer.Option(
        metavar="HOW",
        help="How the study is compared with the normals: window (features of teacher and "
        "student at the same place), translated (as --translate) or learned (a decoder that "
        "was taught on anomalies planted into brains in MR is shown both: by far the better "
        "choice for them, see BENCHMARK.md; heads are stripped). auto: learned where all normals "
        "are brains in MR; window for CT and other organs, and where --checkpoint or --plane "
        "ask for what it alone uses.",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Mask of IMAGE on its own grid; only what is inside is analysed.",
        show_default=False,
    ),
]
SupportMaskOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Masks of the normals, one each: a file named as the study, such as NAME.nii.gz "
        "or NAME-mask.nii.gz.",
        show_default=False,
    ),
]
BrainOption = Annotated[
    BrainMask,
    typer.Option(
        help="How heads are stripped to the brain. auto: where they are compared with studies "
        "of the brain alone, by deepbet if it is installed, else by template; a CT loses its "
        "table. deepbet, template: every head.",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        envvar="D24FAD_CACHE",
        help="Where the support's features are kept for the next run.",
        show_default="d24fad in the user's cache folder",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Keep no features on disk.")]
RegionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Label map in the space of IMAGE, such as TotalSegmentator's, to name where "
        "findings are; names of the labels come from a .json or .tsv beside it. Without one, "
        "lobes and deep structures are named in MR of brains.",
        show_default=False,
    ),
]
ReduceAboveOption = Annotated[
    int,
    typer.Option(
        min=8,
        metavar="VOXELS",
        help="A scan of more voxels is never held whole: while it is read, blocks of voxels "
        "are averaged until an eighth of this number is left. Heatmap and mask are on the "
        "scan's own grid all the same.",
    ),
]
HtmlOption = Annotated[
    bool,
    typer.Option(
        "--html/--no-html",
        help="Write report.html, a page that opens in any browser without a network. It holds "
        "a picture of the study.",
    ),
]
DicomOption = Annotated[
    bool,
    typer.Option(
        "--dicom",
        help="For a DICOM series: also write OUT/dicom, a segmentation, a parametric map, a "
        "structured report and a series of colour pictures. Needs pip install 'd24fad[dicom]'.",
    ),
]
StowOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Send what --dicom writes to this DICOMweb service, and write it too.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where the network runs: cpu, cuda for a GPU, or auto: a GPU where there is one.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="CPU threads to use.", show_default="all"),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the report as JSON, and nothing else, on stdout.")
]

VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say each step on stderr, with the seconds so far."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=read_config,
        help='TOML file with options by their names, such as plane = ["axial", "coronal"]; '
        "what the command line says wins.",
        show_default=False,
    ),
]
