"""A server for one program on this machine, such as 3D Slicer, without MONAI Label."""
