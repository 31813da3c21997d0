"""One `asyncteach lab` and one Chromium for all tests in a browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .page import answers, wait_for

FLAGS = [
    *("--headless=new", "--window-size=1280,2400", "--no-sandbox", "--disable-gpu"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are in the page
}


class Lab(NamedTuple):
    """A JupyterLab that runs: the address that it printed, and the folder of the lessons."""

    address: str
    folder: Path


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process and those it started, kindly first, and wait until they are gone."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(20)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start `asyncteach lab` away from the user's own settings."""
    home = tmp_path_factory.mktemp("lab")
    for name, setting in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    places = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    ours = ("JUPYTER_TOKEN", "ASYNCTEACH_STATIC")
    environment = {name: text for name, text in os.environ.items() if name not in ours}
    environment |= {name: str(home / place) for name, place in places.items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = home / "my lessons"
    command = [sys.executable, "-m", "asyncteach", "lab", str(folder)]
    command += ["--", f"--port={port}", "--no-browser"]
    log = home / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def address() -> str | None:
        if server.poll() is not None:
            pytest.fail(f"asyncteach lab ended:\n{log.read_text()}")
        found = re.search(r"http://127\.0\.0\.1:\d+/lab/tree/\S+\?token=\w+", log.read_text())
        return found[0] if found and answers(found[0]) else None

    try:
        yield Lab(wait_for("the address", address), folder)
    finally:
        end_group(server)


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start Chromium with a profile of its own, or skip where there is none."""
    from selenium import webdriver

    names = ("chromium", "google-chrome", "chromium-browser")
    chromium = next(filter(None, map(shutil.which, names)), None)
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    service = webdriver.ChromeService(
        chromedriver, log_output=subprocess.DEVNULL, popen_kw={"start_new_session": True}
    )
    driver = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        try:
            driver = webdriver.Chrome(options=options, service=service)
            yield driver
        finally:
            process = getattr(service, "process", None)
            if driver:
                driver.quit()
            if process:
                end_group(process)
