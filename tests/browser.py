"""A real browser for tests of pages. `make browser` installs it; without it these tests fail."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox",  # root in a container may not have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; tests/conftest.py has it for all tests."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: `make browser`, or install your system's package of that name"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def quiet_page(browser, address, beside=(), warnings=False, **options):
    """Open a page, and hold that it asks for nothing else and complains of nothing.

    Args:
        browser: the fixture.
        address: of the page.
        beside: what the addresses of files that it may ask for begin with.
        warnings: whether it may write to the console what is no error.
        options: of the context: viewport, color_scheme, ...

    Yields:
        playwright's page.
    """
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append((message.type, message.text)))
        page.on("pageerror", lambda error: said.append(("error", str(error))))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page
        assert [words for words in said if words[0] == "error" or not warnings] == []
        assert [url for url in asked if not url.startswith(("data:", address, *beside))] == []
    finally:
        context.close()
