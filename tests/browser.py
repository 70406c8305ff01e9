"""A headless Chromium that draws with software and reaches nothing beyond this machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

_PATIENCE_SECONDS = 300

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and "CI" not in os.environ,
    reason="Debian's chromium and chromium-driver are not installed",
)


@contextmanager
def headless_chromium(size: str = "1500,1200", reachable: str = "") -> Iterator[Chrome]:
    """A browser.

    Args:
        size: of its window, width and height.
        reachable: a host that it may connect to; none without.
    """
    options = ChromeOptions()
    options.binary_location = CHROMIUM or "chromium"
    excluded = f", EXCLUDE {reachable}" if reachable else ""
    for argument in (
        "--headless=new",
        "--no-sandbox",  # Chromium has none for root, who runs containers
        "--disable-dev-shm-usage",
        f"--window-size={size}",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        f"--host-resolver-rules=MAP * ~NOTFOUND{excluded}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options=options, service=Service(DRIVER))
    # A page that draws with software answers no script meanwhile; 30 s are not enough for one
    # whose processor is shared.
    running.set_script_timeout(_PATIENCE_SECONDS)
    try:
        yield running
    finally:
        running.quit()
