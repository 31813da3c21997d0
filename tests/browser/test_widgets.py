"""replay() and explore() by keyboard alone, and what is seen of them without a kernel."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("jupyterlab", reason="no JupyterLab")
pytest.importorskip("selenium", reason="no selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .conftest import Lab
from .page import Page, wait_for

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the server and the browser are ended as process groups"
)

CELLS = {
    "imports": "import asyncio\nfrom asyncteach import explore, record, replay, virtual_time",
    "code": "async def fetch(seconds):\n    await asyncio.sleep(seconds)",
    "run": (
        "with virtual_time(), record() as recording:\n    await asyncio.gather(fetch(1), fetch(2))"
    ),
    "replay": "replay(recording)",
    "explore": "explore()",
}
FOCUS = """
const e = document.activeElement;
return [e.tagName, e.innerText || '', e.getAttribute('role') || e.type || '']
"""


@pytest.fixture(scope="module")
def page(browser: Any, lab: Lab) -> Iterator[Page]:
    """Open a notebook with a player and sliders, and run it."""
    notebook = lab.folder / "widgets.ipynb"
    cells = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": source}
        | {"outputs": [], "execution_count": None}
        for name, source in CELLS.items()
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(book), encoding="utf-8")
    page = Page(browser, lab.address, notebook)
    try:
        page.run_all(len(cells))
        wait_for("the widgets", lambda: len(page.find(".jp-OutputArea-output .slider")) == 6)
        yield page
    finally:
        page.close()
        notebook.unlink()


def press(page: Page, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    for key in keys:
        ActionChains(page.browser).send_keys(key).perform()


def focus(page: Page) -> list[str]:
    """Return what has the focus: its tag, its text and its role."""
    return page.browser.execute_script(FOCUS)


def moment(page: Page) -> int:
    """Return which moment the player shows, from its sentence."""
    (text,) = [text for text in page.text(".jp-OutputArea-output [role]") if "Moment " in text]
    found = re.search(r"Moment (\d+) of \d+\.", text)
    assert found
    return int(found[1])


def begin_at(page: Page, button: str) -> None:
    """Give the focus to a button, as Tab would in the end."""
    (element,) = [one for one in page.find(".jp-OutputArea-output button") if one.text == button]
    page.browser.execute_script("arguments[0].focus()", element)
    assert focus(page)[:2] == ["BUTTON", button]


def test_a_replay_is_driven_by_keyboard_in_an_order_that_makes_sense(page: Page) -> None:
    """Next by Enter and by Space, then Tab to the slider and to the field, arrows in both."""
    begin_at(page, "Next")
    press(page, Keys.ENTER)
    wait_for("moment 2", lambda: moment(page) == 2)
    press(page, Keys.SPACE)
    wait_for("moment 3", lambda: moment(page) == 3)

    for target, key, number in (("slider", Keys.ARROW_RIGHT, 4), ("number", Keys.ARROW_UP, 5)):
        press(page, Keys.TAB)
        assert focus(page)[2] == target
        press(page, key)
        wait_for(f"moment {number}", lambda number=number: moment(page) == number)

    begin_at(page, "Back")
    press(page, Keys.ENTER)
    wait_for("moment 4", lambda: moment(page) == 4)
    press(page, Keys.TAB)
    assert focus(page)[:2] == ["BUTTON", "Play"]


def test_play_goes_to_the_end_by_itself(page: Page) -> None:
    """Play is pressed once; at the end it is a Play button again, and Next can't be pressed."""
    begin_at(page, "Play")
    press(page, Keys.ENTER)
    wait_for("the end", lambda: "it is all over" in "".join(page.text("[role=alert]")))
    wait_for("the pause", lambda: [b for b in page.find("button") if b.text == "Play"])
    (onward,) = [b for b in page.find(".jp-OutputArea-output button") if b.text == "Next"]
    assert onward.get_attribute("disabled")


def test_sliders_redraw_the_timeline_by_keyboard(page: Page) -> None:
    """One chore more by the arrow key: the sentence and the picture's words say seven."""
    sliders = page.find(".jp-OutputArea-output .noUi-handle")
    page.browser.execute_script("arguments[0].focus()", sliders[1])
    press(page, Keys.ARROW_RIGHT)
    wait_for("seven chores", lambda: "7 chores of 30 minutes" in "".join(page.text("[role]")))

    def words() -> list[str]:
        return [picture["words"] for picture in page.pictures() if "chore" in picture["words"]]

    wait_for("the picture", lambda: words() and words()[-1].startswith("Timeline. 7 chores"))


def is_seen(page: Page, selector: str) -> list[bool]:
    """Return for each element that the selector finds whether it takes any room."""
    return [element.is_displayed() for element in page.find(selector)]


def test_one_of_widget_and_picture_is_seen_and_without_a_kernel_the_picture(
    page: Page, browser: Any, lab: Lab
) -> None:
    """What is stored is opened again: no error where the widgets were, but their pictures."""
    views = ".jp-OutputArea-child .widget-vbox"
    pictures = ".jp-OutputArea-output.jp-RenderedImage img"
    assert any(is_seen(page, views))
    assert is_seen(page, pictures) == [False, False]
    page.save(len(CELLS))
    page.close()
    again = Page(browser, lab.address, page.notebook)
    wait_for("the pictures", lambda: is_seen(again, pictures) == [True, True])
    wait_for("the error", lambda: "model not found" in "".join(again.text(".jupyter-widgets")))
    assert is_seen(again, ".jp-OutputArea-output.jupyter-widgets") == [False, False]
