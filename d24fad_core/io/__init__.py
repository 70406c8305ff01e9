"""From files to volumes: NIfTI, NRRD, MetaImage and DICOM series, whole or slab by slab."""
