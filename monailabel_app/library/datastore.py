"""MONAI Label's datastores, made to survive being killed and to list only what can be analysed.

The stock ones copy straight onto the target, rewrite their index in place and empty their list of
images while they look for new ones.
"""

import fnmatch
import json
import shutil
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore
from monailabel.interfaces.exception import ImageNotFoundException

from d24fad_core.files import whole_file, write_text

VOLUME_PATTERNS = ("*.nii.gz", "*.nii", "*.nrrd", "*.mha")


class StudiesFolder(LocalDatastore):
    """A folder of volumes, every file of it whole at any time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._changing = threading.RLock()
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
            raise ImageNotFoundException(f"Image {image_id} not found")
        _, extension = self._to_id(Path(label_filename).name)
        name = self._filename(image_id, extension)
        with self._changing:
            _copy_whole(Path(label_filename), Path(self._datastore.label_path(label_tag)) / name)
            entry.labels[label_tag] = _entry(label_info, name, extension)
            self._update_datastore_file()
        return image_id

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep a copy of an image file; without an id it gets the file's name."""
        own_name, extension = self._to_id(Path(image_filename).name)
        image_id = image_id or own_name
        name = self._filename(image_id, extension)
        with self._changing:
            _copy_whole(Path(image_filename), Path(self._datastore.image_path()) / name)
            image = _entry(image_info, name, extension)
            self._datastore.objects[image_id] = ImageLabelModel(image=image)
            self._update_datastore_file()
        return image_id

    def _reconcile_datastore(self) -> None:
        # The watcher and the request threads both come here.
        with self._changing:
            super()._reconcile_datastore()

    def _remove_non_existing(self) -> int:
        """As the stock method, but readers never see an empty list in between."""
        self._init_from_datastore_file()
        removed = 0
        folder = Path(self._datastore.image_path())
        kept = {}
        for image, entry in dict(self._datastore.objects).items():
            if not (folder / self._filename(image, entry.image.ext)).exists():
                removed += 1
                continue
            kept[image] = entry
            for tag, label in dict(entry.labels).items():
                place = Path(self._datastore.label_path(tag)) / self._filename(image, label.ext)
                if not place.exists():
                    removed += 1
                    del entry.labels[tag]
        if removed:
            self._datastore.objects = kept
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
    """Studies behind DICOMweb, with the same care for the files that are cached here."""


def _entry(info: dict[str, Any] | None, name: str, extension: str) -> DataModel:
    return DataModel(ext=extension, info={**(info or {}), "ts": int(time.time()), "name": name})


def _copy_whole(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    with whole_file(target) as temporary:
        shutil.copyfile(source, temporary)
