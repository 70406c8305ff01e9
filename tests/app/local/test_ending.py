"""A process ends in order though a thread of it computes."""

import subprocess
import sys

CODE = """
import atexit, threading
import SimpleITK as sitk
from monailabel_app.local.ending import end_process

image = sitk.GaussianSource(sitk.sitkFloat32, [40] * 3)
computing = threading.Event()

def compute():
    while True:
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(5)
        demons.SetSmoothDisplacementField(True)
        demons.Execute(image, image)
        computing.set()

threading.Thread(target=compute, daemon=True).start()
computing.wait()
atexit.register(print, "cleared away")
print("ending", end=", ")
end_process(3)
"""


def test_a_process_ends_while_itk_computes() -> None:
    for _ in range(3):  # without it, most ends are crashes
        run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
        assert (run.returncode, run.stdout, run.stderr) == (3, "ending, cleared away\n", "")
