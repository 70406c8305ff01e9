"""What `monailabel start_server --app monailabel_app` loads by path; the code is in the library.

MONAI Label takes the first class of this file that subclasses `MONAILabelApp` directly.
"""

from monailabel_app.library.app import D24FADApp

__all__ = ["D24FADApp"]
