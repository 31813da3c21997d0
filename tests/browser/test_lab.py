"""The lessons as a learner meets them: `asyncteach lab`, a browser, Run All Cells."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterlab", reason="no JupyterLab")
pytest.importorskip("selenium", reason="no selenium")

from .conftest import Lab
from .page import TRACEBACK, VIEW, Page, clear_outputs, code_cells, outputs_of, wait_for

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the server and the browser are ended as process groups"
)

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def lesson(path: Path) -> Any:
    # This one has the magic, figures and widgets.
    marks = () if path.name.startswith("04") else pytest.mark.full
    return pytest.param(path, id=path.stem, marks=marks)


def test_the_lab_opens_the_first_lesson(lab: Lab) -> None:
    """A new learner begins at the beginning."""
    assert f"/lab/tree/{LESSONS[0].name}?token=" in lab.address


@pytest.mark.parametrize("lesson", [lesson(path) for path in LESSONS])
def test_run_all_numbers_every_cell_of_a_lesson_and_draws_its_figures(
    browser: Any, lab: Lab, lesson: Path
) -> None:
    """Every code cell runs, in order and without an error; every figure and widget shows."""
    notebook = lab.folder / lesson.name
    cells = code_cells(notebook)
    count = len(cells)
    stored = [o for o in outputs_of(cells) if "image/png" in o.get("data", {})]
    tags = [set(cell["metadata"].get("tags", ())) for cell in cells]
    raising = [number for number, some in enumerate(tags) if "raises-exception" in some]
    clear_outputs(notebook)
    page = Page(browser, lab.address, notebook)
    try:
        wait_for("the notebook", lambda: len(page.prompts()) >= count)
        assert page.pictures() == []
        assert page.text(".jp-Notification, .Toastify__toast") == [], "a question over the lesson"
        prompts = page.run_all(count, may_raise=bool(raising))
        if not raising:
            assert page.errors() == []
        assert prompts == [f"[{number}]:" for number in range(1, count + 1)]
        assert "news" not in "".join(page.text(".Toastify__toast"))  # no question over the lesson

        saved = page.save(count)
        others = [cell for number, cell in enumerate(saved) if number not in raising]
        assert [o for o in outputs_of(others) if o["output_type"] == "error"] == []
        assert [o for o in outputs_of(others) if TRACEBACK in "".join(o.get("text", ""))] == []
        pictures = [o for o in outputs_of(saved) if "image/png" in o.get("data", {})]
        without_alt = [o for o in pictures if not o["metadata"].get("image/png", {}).get("alt")]
        assert without_alt == [], "a picture without words for those who cannot see it"
        assert len(pictures) >= len(stored)
        views = sum(VIEW in output.get("data", {}) for output in outputs_of(saved))
        wait_for("the widgets", lambda: page.has_widgets(views))
        shown = page.pictures()
        assert len(shown) >= len(pictures)
        assert all(picture["drawn"] for picture in shown)
        assert all(picture["words"] for picture in shown if picture["inWidget"])
        assert "Error displaying widget" not in "".join(page.text(".jp-OutputArea-output"))
    finally:
        if shots := os.environ.get("ASYNCTEACH_SCREENSHOTS"):
            browser.save_screenshot(f"{shots}/{lesson.stem}.png")
        page.close()
