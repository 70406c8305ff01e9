"""Stand-ins for the 3D Slicer application around the real MRML, so that its modules can be tested.

`scene` gives a real MRML scene with slice views and needs no Qt; `rendering` draws those views
offscreen; `pythonqt` makes PySide6 behave as Slicer's PythonQt does and refuses what PythonQt
would refuse; `widgets` and `loader` give the ctk and qMRML widgets that a .ui file names.
"""
