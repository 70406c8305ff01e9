"""Where everything in the picture of an analysis goes."""

from dataclasses import dataclass

import numpy as np

Place = tuple[float, float, float, float]
"""Left, bottom, width and height as fractions of the picture."""


@dataclass(frozen=True)
class OverlayLayout:
    """Pairs of panels, each slice without and with heat, two pairs a row; then a row of planes.

    Attributes:
        pairs: number of slices.
        panel_height: of a slice, in inches.
        plane_sizes: width and height of the three planes through a finding, in inches; none where
            there is no finding.
        warning_lines: lines of warnings above the panels.
    """

    pairs: int
    panel_height: float
    plane_sizes: tuple[tuple[float, float], ...] = ()
    warning_lines: int = 0

    panel_width = 2.9
    margin = 0.35
    gutter = 0.08
    pair_gutter = 0.3
    caption = 0.34
    title = 0.9
    warning_line = 0.2
    footer = 1.1
    bar_space = 1.2

    @classmethod
    def of(
        cls,
        pairs: int,
        slice_mm: tuple[float, float],
        planes_mm: tuple[tuple[float, float], ...] = (),
        warning_lines: int = 0,
    ) -> "OverlayLayout":
        """Lay out slices and planes in true proportions.

        Args:
            pairs: number of slices.
            slice_mm: height and width of a slice.
            planes_mm: the same of each plane through a finding.
            warning_lines: lines of warnings above the panels.
        """
        height = float(np.clip(cls.panel_width * slice_mm[0] / slice_mm[1], 1.1, 4.6))
        sizes: tuple[tuple[float, float], ...] = ()
        if planes_mm:
            # One scale for all three, so that a finding is as large in each.
            room = 3 * cls.panel_width
            inch = min(
                room / sum(width for _, width in planes_mm),
                3.6 / max(height for height, _ in planes_mm),
            )
            sizes = tuple((width * inch, max(height * inch, 0.2)) for height, width in planes_mm)
        return cls(pairs, height, sizes, warning_lines)

    @property
    def header(self) -> float:
        """Height of the title and the warnings, in inches."""
        return self.title + self.warning_line * self.warning_lines

    @property
    def pair_width(self) -> float:
        """Width of a slice without and with heat, in inches."""
        return 2 * self.panel_width + self.gutter

    @property
    def panels_width(self) -> float:
        """Width of all panels; that of two pairs, which the words above and below need."""
        return 2 * self.pair_width + self.pair_gutter

    @property
    def planes_height(self) -> float:
        """Height of the row of planes with its caption; 0 without."""
        return max((height for _, height in self.plane_sizes), default=-self.caption) + self.caption

    @property
    def rows(self) -> int:
        """Rows of slices."""
        return -(-self.pairs // 2)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the picture in inches."""
        slices_height = self.rows * (self.panel_height + self.caption)
        return self.margin + self.panels_width + self.bar_space, (
            self.header + slices_height + self.planes_height + self.footer
        )

    def plain(self, number: int) -> Place:
        """The panel of a slice without heat."""
        return self._panel(number, 0.0)

    def heat(self, number: int) -> Place:
        """The panel of a slice with heat."""
        return self._panel(number, self.panel_width + self.gutter)

    def plane(self, number: int) -> Place:
        """The panel of one of the planes through the finding."""
        before = sum(width + self.pair_gutter for width, _ in self.plane_sizes[:number])
        width, height = self.plane_sizes[number]
        top = self.footer + self.planes_height
        return self._fractions(self.margin + before, top - height, width, height)

    def colour_bar(self) -> Place:
        """The colour bar."""
        top = self.size[1] - self.header
        height = min(max(self.panel_height, 2.6), top - 0.2)
        return self._fractions(self.margin + self.panels_width + 0.12, top - height, 0.2, height)

    def _panel(self, number: int, offset: float) -> Place:
        row, column = divmod(number, 2)
        left = self.margin + column * (self.pair_width + self.pair_gutter) + offset
        top = self.size[1] - self.header - row * (self.panel_height + self.caption)
        return self._fractions(left, top - self.panel_height, self.panel_width, self.panel_height)

    def _fractions(self, left: float, bottom: float, width: float, height: float) -> Place:
        whole_width, whole_height = self.size
        return (
            left / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )
