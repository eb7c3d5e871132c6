"""One server and one Chromium for all browser tests."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
)

from tests.conftest import SQLiteCopies

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).parent / "vmi-review"
# the shell is Chromium without windows, and takes two thirds of its time
CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
)
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
LIMITED = ("READS", "WRITES", "SIGN_INS", "IMPORTS", "RUNS")
READY = re.compile(r"ready at (http://\S+?)/?\s")
LINK = re.compile(r"(http://\S+/sign-in/\S+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A running vmi-review: its address, sign-in link and data folder."""

    url: str
    link: str
    folder: Path

    def run(self, *arguments: str) -> None:
        """Run a command of vmi-review on the server's data."""
        subprocess.run(
            [PROGRAM, *arguments],
            cwd=ROOT,
            env={**os.environ, "VMI_REVIEW_DATA_DIR": str(self.folder)},
            check=True,
            capture_output=True,
            timeout=60,
        )


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Start vmi-review as a user does, on its folder of data."""
    output = folder / "output"
    environment = {
        **os.environ,
        "VMI_REVIEW_DATA_DIR": str(folder),
        "VMI_REVIEW_PORT": "0",
        "PYTHONUNBUFFERED": "1",
        # all tests come from one address
        **{f"VMI_REVIEW_LIMIT_{kind}": "" for kind in LIMITED},
    }
    with output.open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield _wait_until_ready(process, output)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, sqlite_copies: SQLiteCopies
) -> Iterator[Server]:
    """Return the server of all tests that need none of their own.

    The corpus is loaded already: that takes longer than a test.
    """
    folder = tmp_path_factory.mktemp("live")
    sqlite_copies.place("full", folder)
    with serve(folder) as running:
        yield running


def _wait_until_ready(
    process: subprocess.Popen[bytes], output: Path, seconds: float = 180
) -> Server:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        text = output.read_text()
        ready, link = READY.search(text), LINK.search(text)
        if ready and link:
            return Server(ready[1], link[1], output.parent)
        time.sleep(0.05)
    raise RuntimeError(output.read_text())


@pytest.fixture(scope="session")
def base_url(server: Server) -> str:
    """Return the address that `page.goto` is relative to."""
    return server.url


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any],
) -> dict[str, Any]:
    """Launch Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip(
            "Chromium is not installed: apt-get install "
            "chromium-headless-shell"
        )
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": list(FLAGS),
    }


@pytest.fixture(scope="session")
def signed_in_state(browser: Browser, server: Server) -> Any:
    """Use the one-time link; return the cookies of the administrator."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.link)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def reviewer_page(
    browser: Browser, base_url: str, signed_in_state: Any
) -> Iterator[Page]:
    """Return a page of the signed-in administrator that must not complain."""
    context = browser.new_context(
        base_url=base_url, storage_state=signed_in_state
    )
    yield from _watch(context)


@pytest.fixture(scope="module")
def reviewer_context(
    browser: Browser, base_url: str, signed_in_state: Any
) -> Iterator[BrowserContext]:
    """Return the administrator's browser, for many pages one by one."""
    context = browser.new_context(
        base_url=base_url, storage_state=signed_in_state
    )
    yield context
    context.close()


@pytest.fixture
def next_page(reviewer_context: BrowserContext) -> Iterator[Page]:
    """Return a page there that must not complain."""
    yield from watch_page(reviewer_context.new_page())


@pytest.fixture
def reader_page(browser: Browser, base_url: str) -> Iterator[Page]:
    """Return a page of a reader without name that must not complain."""
    yield from _watch(browser.new_context(base_url=base_url))


@pytest.fixture
def scriptless_page(
    browser: Browser, base_url: str, signed_in_state: Any
) -> Iterator[Page]:
    """Return a signed-in page with script switched off."""
    context = browser.new_context(
        base_url=base_url,
        storage_state=signed_in_state,
        java_script_enabled=False,
    )
    yield from _watch(context)


def _watch(context: BrowserContext) -> Iterator[Page]:
    try:
        yield from watch_page(context.new_page())
    finally:
        context.close()


def watch_page(page: Page) -> Iterator[Page]:
    """Let a page be used, close it, and fail if it complained."""
    complaints: list[str] = []
    asked: set[str] = set()

    def note(message: ConsoleMessage) -> None:
        # Chromium also reports the status of an error page that was asked
        # for; what such a page then lacks is a complaint
        is_page = message.location.get("url") in asked
        if message.type == "error" and not is_page:
            complaints.append(message.text)

    def note_navigation(request: Request) -> None:
        if request.is_navigation_request():
            asked.add(request.url)

    page.on("request", note_navigation)
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []
