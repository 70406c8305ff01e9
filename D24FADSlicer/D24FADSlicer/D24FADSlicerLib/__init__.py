"""The library behind the D24FAD module of 3D Slicer, in five rooms.

`logic` is what findings, reviews and answers mean; `client` talks to the server, `local` installs
and starts one on this computer; `scene` puts results into MRML; `panel` is what the user sees.
`logic`, `client` and `local` know neither Qt nor Slicer, `scene` knows MRML but no Qt. Imports go
from `panel` to `scene`, `client` and `local`, and from these to `logic`.
"""
