"""Results as DICOM objects, and sending them."""
