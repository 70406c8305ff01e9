"""What clients call the two results of an analysis, and the label of the mask."""

MASK_MODEL = "anomaly"
HEATMAP_MODEL = "anomaly_heatmap"
LABELS = {"findings": 1}
