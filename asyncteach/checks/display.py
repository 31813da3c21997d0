"""What a notebook shows of a check."""

import html
from typing import Any

from asyncteach.checks.judgement import Judgement
from asyncteach.recording import Recording


def show_mimebundle(
    text: str, recording: Recording, failed: Judgement | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sentences, and for what has failed in a recording its marked timeline.

    A page shows the richest of them, so HTML holds both.
    """
    # Of what hung in virtual time right away there is nothing to see.
    if failed is None or not failed.marks or not recording.trace.duration > 0:
        return {"text/plain": text}, {}
    from asyncteach.checks.picture import draw_marked

    png, about = draw_marked(recording, failed.marks)._repr_png_()
    words = html.escape(text, quote=True)
    alt = html.escape(about["alt"], quote=True)
    page = (
        f'<div style="white-space: pre-wrap">{words}</div>'
        f'<img alt="{alt}" width="{about["width"]}" src="data:image/png;base64,{png}">'
    )
    data = {"text/plain": text, "text/html": page, "image/png": png}
    return data, {"image/png": about}
