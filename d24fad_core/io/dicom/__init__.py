"""Reading a DICOM series: its files, its geometry and its pixels."""
