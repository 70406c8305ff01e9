"""The library behind the D24FAD module of 3D Slicer.

`messages`, `records`, `findings`, `review`, `saving`, `jobs`, `transport`, `client`, `volume_file`,
`colors` and `strip` know neither Qt nor Slicer; `parameters`, `heatmap`, `segments`, `views` and
`case` know MRML but no Qt; `panel` and its sections know Qt.
"""
