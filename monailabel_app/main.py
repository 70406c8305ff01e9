"""What `monailabel start_server --app monailabel_app` loads by path; the code is in its rooms.

MONAI Label takes the first class of this file that subclasses `MONAILabelApp` directly.
"""

from monailabel_app.monai_label.app import D24FADApp

__all__ = ["D24FADApp"]
