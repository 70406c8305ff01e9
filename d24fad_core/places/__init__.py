"""Where findings are: side and lobe or deep structure of a brain, or regions of a label map."""
