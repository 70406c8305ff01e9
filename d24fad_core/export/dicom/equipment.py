"""This program as the device that makes DICOM objects and observes what reports say."""

from typing import TypedDict

import highdicom as hd
from pydicom.sr.codedict import codes

from d24fad_core import __version__

MANUFACTURER = "D24FAD"
_MODEL_NAME = "D24FAD"


class Equipment(TypedDict):
    """The Enhanced General Equipment module (PS3.3, C.7.5.2) as highdicom takes it."""

    manufacturer: str
    manufacturer_model_name: str
    software_versions: str
    device_serial_number: str


EQUIPMENT: Equipment = {
    "manufacturer": MANUFACTURER,
    "manufacturer_model_name": _MODEL_NAME,
    "software_versions": __version__,
    "device_serial_number": "0",  # must not be empty, but software has none
}


def device_observer() -> hd.sr.ObservationContext:
    """This program as the observer of a report."""
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), name="D24FAD", manufacturer_name=MANUFACTURER, model_name=_MODEL_NAME
        ),
    )
    return hd.sr.ObservationContext(observer_device_context=device)
