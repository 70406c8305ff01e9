"""Cases, heatmaps, findings and views in the MRML scene; knows no Qt."""
