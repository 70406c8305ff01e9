"""What the panel says can be read in Slicer's light and dark themes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from D24FADSlicerLib.logic.contrast import READABLE, contrast, readable
from D24FADSlicerLib.logic.messages import ExplainedError

LIGHT = {
    "Window": (239, 239, 239),
    "WindowText": (0, 0, 0),
    "Base": (255, 255, 255),
    "AlternateBase": (245, 245, 245),
    "PlaceholderText": (110, 110, 110),
}
DARK = {
    "Window": (53, 53, 53),
    "WindowText": (255, 255, 255),
    "Base": (42, 42, 42),
    "AlternateBase": (66, 66, 66),
    "PlaceholderText": (170, 170, 170),
}
THEMES = {"light": LIGHT, "dark": DARK}


def use_theme(theme: dict[str, tuple[int, int, int]]) -> None:
    """Give the application the colours of one of Slicer's themes."""
    from harness.application import settle
    from PySide6 import QtGui, QtWidgets

    palette = QtGui.QPalette()
    roles = theme | {"Text": theme["WindowText"], "ButtonText": theme["WindowText"]}
    roles |= {"Button": theme["Window"]}
    for role, color in roles.items():
        palette.setColor(getattr(QtGui.QPalette.ColorRole, role), QtGui.QColor(*color))
    QtWidgets.QApplication.setPalette(palette)
    settle()  # widgets hear of it by an event


@pytest.fixture
def panel(qt: Any, scene: Any) -> Iterator[Any]:
    from harness import application
    from PySide6 import QtGui, QtWidgets

    qt.QSettings().clear()  # a server that is known would be asked, and answer with a message
    before = QtGui.QPalette(QtWidgets.QApplication.palette())
    window = application.open_main_window()
    widget = importlib.import_module("D24FADSlicer").D24FADSlicerWidget(None)
    widget.setup()
    window.setCentralWidget(widget.parent)
    window.show()
    yield widget.panel
    widget.cleanup()
    window.close()
    QtWidgets.QApplication.setPalette(before)
    application.settle()


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)
    assert contrast((90, 90, 90), (90, 90, 90)) == 1.0
    # Two values that WCAG's own material gives for grey on white.
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)
    assert contrast((27, 94, 32), (53, 53, 53)) < 2, "the former colour in the dark theme"


@pytest.mark.parametrize("ground", [(0, 0, 0), (53, 53, 53), (118, 118, 118), (239, 239, 239)])
@pytest.mark.parametrize("hue", [(176, 0, 32), (27, 94, 32), (150, 90, 0)])
def test_a_readable_colour_is_readable_and_near_its_hue(
    hue: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    color = readable(hue, ground)
    assert contrast(color, ground) >= READABLE
    if contrast(hue, ground) >= READABLE:
        assert color == hue
    else:
        assert np.argmax(color) == np.argmax(hue) or len(set(color)) == 1


def test_a_contrast_that_no_colour_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4\.58 at most"):
        readable((0, 0, 0), (118, 118, 118), 9.0)


def text_contrast(label: Any) -> float:
    """The contrast of a label's text as it is drawn: of its ground and what differs most."""
    from harness.pythonqt import raw

    image = raw(label, "grab")().toImage()
    colors: dict[tuple[int, int, int], int] = {}
    for y in range(image.height()):
        for x in range(image.width()):
            pixel = image.pixelColor(x, y)
            color = (pixel.red(), pixel.green(), pixel.blue())
            colors[color] = colors.get(color, 0) + 1
    ground = max(colors, key=lambda color: colors[color])
    return max(contrast(color, ground) for color in colors)


@pytest.mark.parametrize("theme", THEMES)
def test_every_message_can_be_read(panel: Any, theme: str) -> None:
    from harness.application import settle

    use_theme(THEMES[theme])
    panel.enter()
    settle()
    ui = panel.ui
    assert text_contrast(ui.noticeLabel) >= READABLE
    panel.context.tell(ExplainedError("It broke.", "Mend it."))
    settle()
    assert text_contrast(ui.messageLabel) >= READABLE
    panel.context.note("It is done.")
    settle()
    assert text_contrast(ui.messageLabel) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
def test_every_label_of_the_panel_can_be_read(panel: Any, theme: str) -> None:
    from harness.application import settle
    from harness.pythonqt import raw
    from PySide6 import QtWidgets

    use_theme(THEMES[theme])
    panel.enter()
    settle()
    labels = raw(raw(panel.ui.noticeLabel, "window")(), "findChildren")(QtWidgets.QLabel)
    for page in (panel.ui.reviewPage, panel.ui.setupPage):
        panel.ui.tabs.setCurrentWidget(page)
        settle()
        written = [label for label in labels if raw(label, "isVisible")() and label.text]
        assert len(written) > 3
        for label in written:
            assert text_contrast(label) >= READABLE, label.text


def test_a_change_of_the_theme_is_followed(panel: Any) -> None:
    from harness.application import settle

    panel.context.tell(ExplainedError("It broke.", "Mend it."))
    for theme in (DARK, LIGHT, DARK):
        use_theme(theme)
        panel.enter()
        settle()
        assert text_contrast(panel.ui.messageLabel) >= READABLE
