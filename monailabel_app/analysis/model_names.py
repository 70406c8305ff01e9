"""What clients call the two results of an analysis, and the label of the mask."""

MASK_MODEL = "anomaly"
HEATMAP_MODEL = "anomaly_heatmap"
# OHIF makes a colour of this name, and nearly black of "anomaly".
LABELS = {"findings": 1}
