"""Heads as the series that a scanner sends to a PACS."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom

from tests.io.dicom.dicom_builder import change, write_series

CASE = "lesion-001"
MR_NAMES = ("support-001", "support-002", "support-003", CASE)


def write_head(image: Path, folder: Path) -> str:
    """Write a NIfTI image as an MR series whose patient has the folder's name; returns its UID."""
    head = nibabel.load(image)
    write_series(folder, np.asarray(head.dataobj).astype(np.int16), head.affine)
    return complete(folder, folder.name)


def complete(folder: Path, patient: str) -> str:
    """Give a series what a scanner gives it; return its UID."""
    study, frame = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    for path in folder.iterdir():
        change(
            path,
            PatientID=patient,
            PatientName=f"Secret^{patient}",
            StudyInstanceUID=study,
            FrameOfReferenceUID=frame,
            StudyDate="20260102",
            StudyTime="101112",
            StudyID="1",
            AccessionNumber="",
            ReferringPhysicianName="",
            PatientBirthDate="",
            PatientSex="O",
        )
    return str(pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID)
