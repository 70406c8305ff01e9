"""What changed in a patient since an earlier study."""
