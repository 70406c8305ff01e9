"""A server for one program on this machine, such as 3D Slicer, without MONAI Label."""

from d24fad_core.waiting_threads import spin_briefly

spin_briefly()  # here, since `__main__` imports PyTorch
