"""The library behind the D24FAD module of 3D Slicer, in four rooms.

`logic` is what findings, reviews and answers mean; `client` talks to the server; `scene` puts it
into MRML; `panel` is what the user sees. `logic` and `client` know neither Qt nor Slicer, `scene`
knows MRML but no Qt. Imports go from `panel` to `scene` and `client`, and from these to `logic`.
"""
