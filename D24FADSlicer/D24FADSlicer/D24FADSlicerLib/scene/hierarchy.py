"""Where nodes are in the subject hierarchy: under which patient and study, from which series."""

from __future__ import annotations

from typing import Any

import slicer


def series_uid(volume: Any) -> str:
    """The DICOM series that a volume was loaded from; empty where it came from elsewhere."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(volume)
    if not item:
        return ""
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName()
    return str(hierarchy.GetItemUID(item, name) or "")


def place_beside(node: Any, volume: Any) -> None:
    """Put a node under the patient and study of a volume."""
    hierarchy = _hierarchy()
    at = hierarchy.GetItemByDataNode(volume)
    parent = hierarchy.GetItemParent(at) if at else hierarchy.GetSceneItemID()
    # Slicer makes an item for each new node by itself; without its widgets nobody does.
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def _hierarchy() -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
