"""A browser, and a page in it, for whatever opens files that this package writes.

``make test-viewers`` installs what is needed and runs these tests; without that, a plain ``pytest`` leaves them out.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: no sandbox, as root has none; WebGL on the processor; nothing is asked for besides the page itself
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """Path of the browser: ``$CHROMIUM``, or what is installed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.fail("there is no Chromium: install Debian's package chromium, or set CHROMIUM to its path")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium, started once, without a window; a ``playwright.sync_api.Browser``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator[object]:
    """A new page, 1,280 x 800, that has nothing in its cache; a ``playwright.sync_api.Page``.

    It reaches this machine only, and the test fails if a script on it fails or asks for anything elsewhere.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    elsewhere, errors = [], []

    def only_here(route):
        url = urlsplit(route.request.url)
        if url.scheme in ("file", "data", "blob") or url.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", only_here)
    context.on("weberror", lambda failed: errors.append(str(failed.error)))
    yield context.new_page()
    context.close()
    assert not errors
    assert not elsewhere
