"""A notebook in JupyterLab: as the browser shows it, as the server knows it, as it is stored."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest

HANG = 240  # seconds; a guard only, no test is about time
VIEW = "application/vnd.jupyter.widget-view+json"
TRACEBACK = "Traceback (most recent call last)"
Found = TypeVar("Found")

# JupyterLab gives images that are outputs by themselves no alt text: their words are in the file.
PICTURES = """
return Array.from(document.querySelectorAll('.jp-OutputArea-output img'))
  .filter(image => image.getAttribute('aria-hidden') != 'true')
  .map(image => ({
    drawn: image.complete && image.naturalWidth > 0,
    inWidget: !!image.closest('.jupyter-widgets') || !image.src.startsWith('data:image/png'),
    words: image.alt}))
"""


def wait_for(what: str, look: Callable[[], Found]) -> Found:
    """Return what `look` finds as soon as it finds anything."""
    deadline = time.monotonic() + HANG
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come in {HANG} seconds")
        time.sleep(0.1)
    return found


def ask(address: str, what: str, method: str = "GET") -> Any:
    """Return the server's answer about `what`, with the token that its address came with."""
    server = urlsplit(address)
    url = f"http://{server.netloc}/api/{what}?{server.query}"
    request = Request(url, method=method)
    with build_opener(ProxyHandler({})).open(request, timeout=HANG) as answer:
        return json.loads(answer.read() or b"null")


def answers(address: str) -> bool:
    """Return whether the server listens yet: it prints its address a moment before that."""
    try:
        return bool(ask(address, "status"))
    except OSError:
        return False


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook's file that Run All runs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"])]


def clear_outputs(notebook: Path) -> None:
    """Take the stored outputs and numbers out: what shows afterwards was made by this run."""
    book = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook.write_text(json.dumps(book), encoding="utf-8")


def outputs_of(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the stored outputs of cells."""
    return [output for cell in cells for output in cell["outputs"]]


class Page:
    """The notebook as the browser shows it and as the server knows it."""

    def __init__(self, browser: Any, address: str, notebook: Path) -> None:
        self.browser = browser
        self.address = address
        self.notebook = notebook
        server = urlsplit(address)
        # Without a reset the notebooks of before come back too.
        url = f"http://{server.netloc}/lab/tree/{quote(notebook.name)}?{server.query}&reset"
        browser.get(url)

    def close(self) -> None:
        """End the notebook's kernel."""
        for session in ask(self.address, "sessions"):
            ask(self.address, f"sessions/{session['id']}", "DELETE")

    def text(self, selector: str) -> list[str]:
        script = "return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)"
        return self.browser.execute_script(script, selector)

    def find(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector finds."""
        return self.browser.find_elements("css selector", selector)

    def prompts(self) -> list[str]:
        return self.text(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")

    def kernel_is_idle(self) -> bool:
        """Ask the server: the page may say idle before its connection is there."""
        kernels = [
            session["kernel"]
            for session in ask(self.address, "sessions")
            if session["path"] == self.notebook.name
        ]
        return any(k["connections"] and k["execution_state"] == "idle" for k in kernels)

    def errors(self) -> list[str]:
        """Return the error outputs; an uncaught ExceptionGroup is text like any other."""
        return [text for text in self.text(".jp-OutputArea-output") if TRACEBACK in text]

    def has_widgets(self, number: int) -> bool:
        """Return whether that many outputs hold the widgets that they stand for."""
        widgets = ".jp-OutputArea-output > .jupyter-widgets, .jp-OutputArea-output.jupyter-widgets"
        return len(self.find(widgets)) >= number

    def pictures(self) -> list[dict[str, Any]]:
        """Return for each picture of the outputs its words, and whether it could be drawn."""
        return self.browser.execute_script(PICTURES)

    def choose(self, menu: str, command: str) -> None:
        """Choose a menu's entry with the mouse."""
        label = f"//*[contains(@class, 'lm-MenuBar-itemLabel') and text()='{menu}']"
        self.browser.find_element("xpath", label).click()
        entry = f".lm-Menu-item[data-command='{command}']"
        wait_for(command, lambda: self.find(entry))[0].click()

    def run_all(self, cells: int, may_raise: bool = False) -> list[str]:
        """Choose Run All Cells once the kernel is there; return the prompts when it has run."""
        indicator = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        wait_for("the notebook", lambda: len(self.prompts()) >= cells)
        wait_for("the kernel", self.kernel_is_idle)
        wait_for("the idle mark", lambda: self.find(indicator))
        self.choose("Run", "runmenu:run-all")

        def has_run() -> bool:
            every_cell = all(re.search(r"\d", prompt) for prompt in self.prompts()[:cells])
            failed = not may_raise and bool(self.errors())
            return (every_cell or failed) and self.kernel_is_idle()

        wait_for("the last cell's number", has_run)
        return self.prompts()[:cells]

    def save(self, cells: int) -> list[dict[str, Any]]:
        """Save the notebook; return its code cells when the file has all their numbers."""
        self.choose("File", "docmanager:save")
        numbers = list(range(1, cells + 1))

        def saved() -> bool:
            try:
                return [c["execution_count"] for c in code_cells(self.notebook)] == numbers
            except json.JSONDecodeError:  # it is being written
                return False

        wait_for("the saved file", saved)
        return code_cells(self.notebook)
