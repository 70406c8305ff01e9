"""How the case is shown: heatmap, threshold, windows, and the strip of slice scores."""

from __future__ import annotations

from typing import Any

from ..logic.colors import scale_maximum
from ..logic.language import tr as _
from ..logic.strip import lay_out, slice_at
from ..scene import heatmap, numbers, views
from ..scene.case import slice_in_view
from .context import Context
from .strip_view import ClickWatcher, paint


class ViewSection:
    """How the case is shown; changes nothing of the review."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._strip_outdated = True
        self._strip_width = 0
        self._setting = False
        ui = context.ui
        ui.windowBox.addItem(_("as they are"))
        for name, (width, level) in views.CT_WINDOWS.items():
            ui.windowBox.addItem(f"{name} ({width:.0f} / {level:.0f})", name)
        ui.heatmapBox.connect("toggled(bool)", self._show_layers)
        ui.legendBox.connect("toggled(bool)", self._show_layers)
        ui.numbersBox.connect("toggled(bool)", self._show_layers)
        ui.renderingBox.connect("toggled(bool)", self._show_rendering)
        ui.opacitySlider.connect("valueChanged(double)", self._show_layers)
        ui.thresholdSlider.connect("valueChanged(double)", self._threshold_moved)
        ui.windowBox.connect("currentIndexChanged(int)", self._window_chosen)
        self._watcher = ClickWatcher(ui.stripLabel, self._strip_clicked)
        context.on("case", self.update)
        context.on("support", self._show_rate)
        self._slice_node: Any = None
        self._observation: int | None = None
        self.update()

    def observe(self) -> None:
        """Follow the Red view, for the mark of the current slice."""
        self.close()
        self._slice_node = views.slice_node()
        self._observation = self._slice_node.AddObserver("ModifiedEvent", self._slice_moved)

    def close(self) -> None:
        """Stop following."""
        if self._slice_node is not None:
            self._slice_node.RemoveObserver(self._observation)
            self._slice_node = None

    def toggle_heatmap(self) -> None:
        """Show the heatmap if it is hidden, and the other way round."""
        self._context.ui.heatmapBox.toggle()

    def update(self) -> None:
        """Show the state of the current case."""
        ui, case = self._context.ui, self._context.case
        analysis = case.analysis if case is not None else None
        there = analysis is not None and case is not None and case.heatmap is not None
        boxes = (ui.heatmapBox, ui.legendBox, ui.numbersBox, ui.renderingBox)
        for widget in (*boxes, ui.opacitySlider, ui.thresholdSlider):
            widget.enabled = there
        ui.stripLabel.visible = there
        if there and case is not None and analysis is not None:
            threshold = case.threshold if case.threshold is not None else analysis.threshold
            self._setting = True
            highest = max(scale_maximum(analysis.threshold), analysis.case_score)
            ui.thresholdSlider.maximum = float(round(highest + 0.5, 1))
            ui.thresholdSlider.value = float(threshold)
            self._setting = False
            heatmap.set_threshold(case.heatmap, threshold)
            ui.stripLabel.toolTip = self._strip_help(analysis.slice_axis_name)
            self._show_layers()
        self._show_rate()
        self._strip_outdated = True

    def _strip_help(self, plane: str) -> str:
        planes = {"axial": _("axial"), "sagittal": _("sagittal"), "coronal": _("coronal")}
        text = _(
            "Score of each {plane} slice; click to go there. Dotted: the threshold; blue: the "
            "slice in view."
        )
        return text.format(plane=planes[plane])

    def tick(self) -> None:
        """Redraw the strip if something changed; called by the panel's timer."""
        label = self._context.ui.stripLabel
        outdated = self._strip_outdated or int(label.width) != self._strip_width
        if outdated and label.visible:
            self._strip_outdated = False
            self._draw_strip()

    def _slice_moved(self, *_: Any) -> None:
        self._strip_outdated = True

    def _current(self) -> Any:
        case = self._context.case
        return case if case is not None and case.heatmap is not None else None

    def _show_layers(self) -> None:
        ui, case = self._context.ui, self._current()
        if case is not None:
            shown = float(ui.opacitySlider.value) if ui.heatmapBox.checked else 0.0
            views.set_heatmap_opacity(case.heatmap, shown)
            views.set_legend_visible(case.heatmap, ui.legendBox.checked and ui.heatmapBox.checked)
            numbers.set_visible(case, ui.numbersBox.checked)

    def _show_rendering(self, visible: bool) -> None:
        case = self._current()
        if case is not None:
            threshold = float(self._context.ui.thresholdSlider.value)
            heatmap.set_rendering_visible(case.heatmap, visible, threshold)

    def _threshold_moved(self, threshold: float) -> None:
        case = self._current()
        if case is None or self._setting:
            return
        case.threshold = threshold
        heatmap.set_threshold(case.heatmap, threshold)
        self._show_rate()
        self._strip_outdated = True

    def _show_rate(self) -> None:
        ui, calibration = self._context.ui, self._context.calibration
        if self._current() is None or calibration is None:
            ui.rateLabel.text = ""
            return
        ui.rateLabel.text = calibration.statement_at(float(ui.thresholdSlider.value))

    def _window_chosen(self, index: int) -> None:
        volume = self._context.volume
        if index > 0 and volume is not None:
            views.set_ct_window(volume, self._context.ui.windowBox.itemData(index))

    def _draw_strip(self) -> None:
        label, case = self._context.ui.stripLabel, self._context.case
        analysis = case.analysis if case is not None else None
        if case is None or analysis is None:
            return
        self._strip_width = int(label.width)
        threshold = float(self._context.ui.thresholdSlider.value)
        paint(
            label,
            lay_out(
                analysis.slice_scores,
                threshold,
                slice_in_view(case),
                analysis.slice_ends,
                max(self._strip_width, 100),
                max(int(label.height), 64),
            ),
        )

    def _strip_clicked(self, column: int) -> None:
        case = self._context.case
        analysis = case.analysis if case is not None else None
        if case is None or analysis is None or not analysis.slice_scores:
            return
        width = max(self._strip_width, 100)
        index = slice_at(column, len(analysis.slice_scores), width)
        x, y, z = views.own_ras_of(case.volume, views.position_in_view())
        here = analysis.slice_of((x, y, z))
        # Only across the slices: what is in the middle of the picture stays there.
        start, end = analysis.slice_centre_ras(here), analysis.slice_centre_ras(index)
        views.jump_to(
            case.volume, (x + end[0] - start[0], y + end[1] - start[1], z + end[2] - start[2])
        )
