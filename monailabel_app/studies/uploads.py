"""What clients sent, which joins no support set by its name alone."""

from dataclasses import dataclass

from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import UPLOADS
from monailabel_app.times import now


@dataclass(frozen=True)
class Upload:
    """An image that a client sent.

    Attributes:
        image: its image id.
        sha256: hash of the file; another one under the same name is the operator's own.
        time: when it came, ISO 8601, UTC.
    """

    image: str
    sha256: str
    time: str


class Uploads:
    """The images that clients sent; MONAI Label's own index may be lost and made anew.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._records = Records(database, UPLOADS, Upload)

    def add(self, image: str, sha256: str) -> None:
        """Note an image, best before its file is where the operator's own ones are."""
        self._records.put(image, Upload(image, sha256, now()))

    def sha256(self, image: str) -> str | None:
        """Hash of the file that a client sent as this image; None where none did."""
        upload = self._records.get(image)
        return None if upload is None else upload.sha256

    def remove(self, image: str) -> None:
        """Forget an image that is removed."""
        self._records.remove(image)
