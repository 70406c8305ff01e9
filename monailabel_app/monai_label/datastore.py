"""MONAI Label's datastores, made to survive being killed and to list only what can be analysed.

The stock ones copy straight onto the target, rewrite their index in place and empty their list of
images while they look for new ones.
"""

import fnmatch
import json
import logging
import math
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from filelock import FileLock
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore
from monailabel.datastore.utils.dicom import dicom_web_download_series
from monailabel.interfaces.exception import ImageNotFoundException
from pydicom.dataset import Dataset

from d24fad_core.files import copy_whole, write_text
from d24fad_core.io.dicom.series import holds_dicom
from monailabel_app.studies.study_store import MissingImageError

logger = logging.getLogger(__name__)

_LIST_SECONDS = 30.0
_DESCRIPTION_LETTERS = 64


class UnlistedImageError(ImageNotFoundException, MissingImageError):
    """There is no such image: as MONAI Label says it, and as our own parts look for it."""


class StudiesFolder(LocalDatastore):
    """A folder of volumes, every file of it whole at any time.

    Attributes:
        damaged: indices that could not be read at the start, under their new names; what is in
            the folder was listed anew.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._changing = threading.RLock()
        self.damaged: list[Path] = []
        super().__init__(*args, **options)

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a copy of a label file.

        Raises:
            ImageNotFoundException: there is no such image.
        """
        entry = self._datastore.objects.get(image_id)
        if entry is None:
            raise UnlistedImageError(f"Image {image_id} not found")
        _, extension = self._to_id(Path(label_filename).name)
        name = self._filename(image_id, extension)
        with self._changing:
            copy_whole(Path(label_filename), Path(self._datastore.label_path(label_tag)) / name)
            entry.labels[label_tag] = _entry(label_info, name, extension)
            self._update_datastore_file()
        return image_id

    def label_file(self, image_id: str, label_tag: str) -> Path | None:
        """The file of a label that lies in this folder; None where there is none."""
        label = self._datastore.label(image_id, label_tag)
        if label is None:
            return None
        path = Path(self._datastore.label_path(label_tag)) / self._filename(image_id, label.ext)
        return path if path.is_file() else None

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep a copy of an image file; without an id it gets the file's name."""
        own_name, extension = self._to_id(Path(image_filename).name)
        image_id = image_id or own_name
        name = self._filename(image_id, extension)
        with self._changing:
            copy_whole(Path(image_filename), Path(self._datastore.image_path()) / name)
            image = _entry(image_info, name, extension)
            self._datastore.objects[image_id] = ImageLabelModel(image=image)
            self._update_datastore_file()
        return image_id

    def remove_image(self, image_id: str) -> None:
        """Remove an image, its labels and its entry, which the stock method leaves to the watcher.

        Raises:
            ImageNotFoundException: there is no such image.
        """
        with self._changing:
            super().remove_image(image_id)
            self._datastore.objects.pop(image_id, None)
            self._update_datastore_file()

    def _reconcile_datastore(self) -> None:
        # The watcher and the request threads both come here.
        with self._changing:
            super()._reconcile_datastore()

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """As the stock method, but a damaged index is no reason not to start."""
        try:
            super()._init_from_datastore_file(throw_exception)
        except ValueError as error:
            index = Path(self._datastore_config_path)
            aside = index.with_name(f"{index.name}.damaged-{time.time_ns()}")
            index.rename(aside)
            self.damaged.append(aside)
            logger.warning("The index is damaged (%s); it is now %s", type(error).__name__, aside)

    def _add_non_existing_images(self) -> int:
        """As the stock method, and folders that hold a DICOM series."""
        added = int(super()._add_non_existing_images())
        for folder in Path(self._datastore.image_path()).iterdir():
            if (
                folder.name not in self._datastore.objects
                and not folder.name.startswith(".")
                and folder.is_dir()
                and holds_dicom(folder)
            ):
                image = _entry({}, folder.name, "")
                self._datastore.objects[folder.name] = ImageLabelModel(image=image)
                added += 1
        return added

    def _remove_non_existing(self) -> int:
        """As the stock method, but readers never see an empty list in between."""
        self._init_from_datastore_file()
        removed = 0
        folder = Path(self._datastore.image_path())
        objects = {}
        for image, entry in dict(self._datastore.objects).items():
            if not (folder / self._filename(image, entry.image.ext)).exists():
                removed += 1
                continue
            objects[image] = entry
            for tag, label in dict(entry.labels).items():
                place = Path(self._datastore.label_path(tag)) / self._filename(image, label.ext)
                if not place.exists():
                    removed += 1
                    del entry.labels[tag]
        if removed:
            self._datastore.objects = objects
        return removed

    def _update_datastore_file(self, lock: bool = True) -> None:
        with self._changing, FileLock(self._lock_file) if lock else nullcontext():
            self._ignore_event_config = True
            path = Path(self._datastore_config_path)
            document = self._datastore.model_dump(exclude={"base_path"})
            write_text(path, json.dumps(document, indent=2, default=str))
            self._config_ts = path.stat().st_mtime

    def _list_files(self, path: str, patterns: list[str]) -> dict[str, str]:
        # A file that is being written has a hidden name and is no image yet.
        return {
            file.name: file.name
            for file in Path(path).iterdir()
            if not file.name.startswith(".")
            and any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
        }


class PacsStudies(DICOMWebDatastore, StudiesFolder):
    """The CT and MR series of a PACS, fetched when they are needed and kept in a folder here.

    Args:
        client: speaks DICOMweb with the PACS.
        cache: folder of the copies; None is below the user's cache folder.
        search: QIDO filters; every series that one of them finds is listed.
    """

    def __init__(
        self, client: DICOMwebClient, cache: str | None, search: Sequence[Mapping[str, Any]]
    ) -> None:
        self._searches = tuple(search)
        self._listed: tuple[float, dict[str, str]] = (-math.inf, {})
        self._fetching = threading.Lock()
        super().__init__(client=client, search_filter=dict(search[0]), cache_path=cache)

    def list_images(self) -> list[str]:
        """Series instance UIDs; asked for again after a while, not for every request.

        Raises:
            requests.RequestException: the PACS does not answer and never did.
        """
        return list(self._titles())

    def title(self, image_id: str) -> str:
        """What people call a series; it says nothing of the patient. The UID of one not listed."""
        return self._titles().get(image_id, image_id)

    def _titles(self) -> dict[str, str]:
        """Titles by series instance UID, sorted by these."""
        listing_time, known = self._listed
        if time.monotonic() - listing_time < _LIST_SECONDS:
            return known
        try:
            series = [
                Dataset.from_json(answer)
                for search in self._searches
                for answer in self._client.search_for_series(search_filters=dict(search))
            ]
            titles = {str(each.SeriesInstanceUID): series_title(each) for each in series}
        except requests.RequestException as error:
            if not known:
                raise
            # What was fetched before can still be worked on.
            logger.warning("The PACS did not list its series: %s", type(error).__name__)
            titles = known
        self._listed = (time.monotonic(), dict(sorted(titles.items())))
        return self._listed[1]

    def get_labeled_images(
        self, label_tag: str | None = None, labels: list[str] | None = None
    ) -> list[str]:
        """Series with a final label of this server."""
        images: list[str] = StudiesFolder.get_labeled_images(self, label_tag, labels)
        return images

    def get_unlabeled_images(
        self, label_tag: str | None = None, labels: list[str] | None = None
    ) -> list[str]:
        """The other series."""
        return sorted(set(self.list_images()) - set(self.get_labeled_images()))

    def series_folder(self, image_id: str) -> Path:
        """The folder with the files of a series, fetched whole or not at all.

        Raises:
            ImageNotFoundException: the PACS lists no such series.
        """
        if image_id not in self.list_images():
            raise UnlistedImageError(f"Image {image_id} not found")
        folder = Path(self._datastore.image_path()) / image_id
        with self._fetching:
            if not folder.is_dir():
                partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
                try:
                    dicom_web_download_series(None, image_id, str(partial), self._client)
                    partial.chmod(0o755)
                    partial.rename(folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        return folder

    def get_image_uri(self, image_id: str) -> str:
        """A NIfTI copy, for clients that download the image; the analysis reads the DICOM files."""
        self.series_folder(image_id)
        return str(super().get_image_uri(image_id))

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a label here; what goes to the PACS is written by the server itself."""
        if image_id not in self._datastore.objects:
            self.get_image_uri(image_id)
        return StudiesFolder.save_label(self, image_id, label_filename, label_tag, label_info)

    def store(self, objects: Sequence[Dataset]) -> None:
        """Send objects to the PACS (STOW).

        Raises:
            requests.RequestException: it cannot be reached, or refuses them.
        """
        self._client.store_instances(list(objects))


def series_title(series: Dataset) -> str:
    """Description, modality, date and number of images of a series, and the end of its UID.

    Nothing of the patient is in it but what a scanner's operator wrote into the description; the
    end of the UID tells series of one protocol apart.

    Args:
        series: what the PACS says of it (QIDO-RS, DICOM PS3.18, Table 10.6.3-4).
    """
    description = "".join(c for c in str(series.get("SeriesDescription") or "") if c.isprintable())
    date = str(series.get("SeriesDate") or series.get("StudyDate") or "")
    count = series.get("NumberOfSeriesRelatedInstances")
    parts = (
        description.strip()[:_DESCRIPTION_LETTERS],
        str(series.get("Modality") or ""),
        f"{date[:4]}-{date[4:6]}-{date[6:]}" if re.fullmatch(r"[0-9]{8}", date) else "",
        "" if count is None else f"{count} image{'' if int(count) == 1 else 's'}",
        f"…{str(series.SeriesInstanceUID)[-6:]}",
    )
    return ", ".join(part for part in parts if part)


def _entry(info: dict[str, Any] | None, name: str, extension: str) -> DataModel:
    return DataModel(ext=extension, info={**(info or {}), "ts": int(time.time()), "name": name})
