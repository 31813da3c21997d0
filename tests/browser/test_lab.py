"""The first lesson as a learner meets it: `asyncteach lab`, a browser, Run All Cells."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

pytest.importorskip("jupyterlab", reason="no JupyterLab")
pytest.importorskip("selenium", reason="no selenium")
from selenium import webdriver
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the server and the browser are ended as process groups"
)

LESSON = "01-chores-and-leisure.ipynb"
HANG = 120  # seconds; a guard only, no test is about time
FLAGS = [
    *("--headless=new", "--window-size=1280,2400", "--no-sandbox", "--disable-gpu"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are in the page
}
Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found]) -> Found:
    """Return what `look` finds as soon as it finds anything."""
    deadline = time.monotonic() + HANG
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come in {HANG} seconds")
        time.sleep(0.1)
    return found


def ask(address: str, what: str) -> Any:
    """Return the server's answer about `what`, with the token that its address came with."""
    server = urlsplit(address)
    url = f"http://{server.netloc}/api/{what}?{server.query}"
    with build_opener(ProxyHandler({})).open(url, timeout=HANG) as answer:
        return json.load(answer)


def answers(address: str) -> bool:
    """Tell whether the server listens already; it prints its address a moment before."""
    try:
        return bool(ask(address, "status"))
    except OSError:
        return False


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


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Start `asyncteach lab` away from the user's own settings: the printed address, the folder."""
    for name, setting in SETTINGS.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
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
    environment = {name: text for name, text in os.environ.items() if name != "JUPYTER_TOKEN"}
    environment |= {name: str(tmp_path / place) for name, place in places.items()}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "my lessons"
    command = [sys.executable, "-m", "asyncteach", "lab", str(folder)]
    command += ["--", f"--port={port}", "--no-browser"]
    log = tmp_path / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
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
        yield wait_for("the address", address), folder
    finally:
        end_group(server)


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[webdriver.Chrome]:
    """Start Chromium with a profile of its own, or skip where there is none."""
    names = ("chromium", "google-chrome", "chromium-browser")
    chromium = next(filter(None, map(shutil.which, names)), None)
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no chromium")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    service = webdriver.ChromeService(
        chromedriver, log_output=subprocess.DEVNULL, popen_kw={"start_new_session": True}
    )
    driver = None
    try:
        driver = webdriver.Chrome(options=options, service=service)
        yield driver
    finally:
        process = getattr(service, "process", None)
        if driver:
            driver.quit()
        if process:
            end_group(process)


class Page:
    """The notebook as the browser shows it and as the server knows it."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        self.address = address
        browser.get(address)

    def text(self, selector: str) -> list[str]:
        script = "return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)"
        return self.browser.execute_script(script, selector)

    def prompts(self) -> list[str]:
        return self.text(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")

    def kernel_is_idle(self) -> bool:
        """Ask the server: the page may say idle before its connection is there."""
        kernels = ask(self.address, "kernels")
        return any(k["connections"] and k["execution_state"] == "idle" for k in kernels)

    def errors(self) -> list[str]:
        """Return the error outputs; an uncaught ExceptionGroup is text like any other."""
        outputs = self.text(".jp-OutputArea-output")
        return [text for text in outputs if "Traceback (most recent call last)" in text]

    def pictures_drawn(self) -> int:
        """Count the outputs' images that the browser could draw."""
        script = """return Array.from(document.querySelectorAll('.jp-OutputArea-output img'))
            .filter(image => image.complete && image.naturalWidth > 0).length"""
        return self.browser.execute_script(script)

    def choose(self, menu: str, command: str) -> None:
        """Choose a menu's entry with the mouse."""
        label = f"//*[contains(@class, 'lm-MenuBar-itemLabel') and text()='{menu}']"
        self.browser.find_element(By.XPATH, label).click()
        entry = f".lm-Menu-item[data-command='{command}']"
        wait_for(command, lambda: self.browser.find_elements(By.CSS_SELECTOR, entry))[0].click()

    def run_all(self, cells: int) -> list[str]:
        """Choose Run All Cells once the kernel is there; return the prompts when it has run."""
        indicator = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        wait_for("the notebook", lambda: len(self.prompts()) == cells)
        wait_for("the kernel", self.kernel_is_idle)
        wait_for("the idle mark", lambda: self.browser.find_elements(By.CSS_SELECTOR, indicator))
        self.choose("Run", "runmenu:run-all")

        def has_run() -> bool:
            every_cell = all(re.search(r"\d", prompt) for prompt in self.prompts())
            return (every_cell or bool(self.errors())) and self.kernel_is_idle()

        wait_for("the last cell's number", has_run)
        return self.prompts()


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return a notebook file's code cells."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def clear_outputs(notebook: Path) -> None:
    """Take the stored outputs and numbers out: what shows afterwards was made by this run."""
    book = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook.write_text(json.dumps(book), encoding="utf-8")


def test_run_all_numbers_every_cell_of_the_first_lesson_and_draws_its_figures(
    browser: webdriver.Chrome, lab: tuple[str, Path], tmp_path: Path
) -> None:
    """Every code cell of lesson 1 runs, in order and without an error, and three figures show."""
    address, folder = lab
    notebook = folder / LESSON
    assert f"/lab/tree/{LESSON}?token=" in address
    cells = code_cells(notebook)
    count = len(cells)
    clear_outputs(notebook)
    page = Page(browser, address)
    try:
        assert page.pictures_drawn() == 0
        prompts = page.run_all(count)
        assert page.errors() == []
        assert prompts == [f"[{number}]:" for number in range(1, count + 1)]
        assert page.pictures_drawn() >= 3

        page.choose("File", "docmanager:save")
        numbers = list(range(1, count + 1))
        wait_for(
            "the saved file",
            lambda: [cell["execution_count"] for cell in code_cells(notebook)] == numbers,
        )
        outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
        assert [output for output in outputs if output["output_type"] == "error"] == []
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        assert len(pictures) >= 3
        without_alt = [
            output for output in pictures if not output["metadata"].get("image/png", {}).get("alt")
        ]
        assert without_alt == [], "a picture without words for those who cannot see it"
    except BaseException:
        browser.save_screenshot(str(tmp_path / "failure.png"))
        raise
