"""Pictures that a widget can change fast: drawn once as SVG, with a curtain over what comes."""

import base64
from html import escape
from typing import TYPE_CHECKING

from asyncteach.timeline.svg import draw_svg, scale_of

if TYPE_CHECKING:
    from asyncteach.recording import Recording

# What is outside of an image has no say in its colours, and its style none outside.
_STYLE = (
    ".veil{fill:#fff;fill-opacity:.93}.cursor{stroke:#1c2529;fill:#1c2529}"
    "@media (prefers-color-scheme:dark){.veil{fill:#161b1e}.cursor{stroke:#e8edef;fill:#e8edef}}"
)


def show_image(svg: str, alt: str) -> str:
    """Return HTML that shows an SVG, with its words; with none it is decoration."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    hidden = "" if alt else ' aria-hidden="true"'
    style = "display:block;width:100%;height:auto"
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img src="{source}" alt="{escape(alt, quote=True)}"{hidden} style="{style}">'


class Curtain:
    """The picture of a recording, and the curtain that hides what is still to come."""

    def __init__(self, recording: "Recording", wide: int) -> None:
        self.recording, self.wide = recording, wide
        self.scale = scale_of(recording.trace, wide)

    def picture(self) -> str:
        """Return the whole picture as HTML."""
        return show_image(draw_svg(self.recording.trace, self.wide), self.recording.describe())

    def drawn_to(self, at: float) -> str:
        """Return HTML to be laid over the picture: it shows what there was up to that time."""
        scale = self.scale
        x, top = scale.x(at), scale.top - 12
        # A step that took no time is drawn as a mark: it is to be seen when it is there.
        begin = x + 3
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{scale.width}" '
            f'height="{scale.height:.0f}" viewBox="0 0 {scale.width} {scale.height:.0f}">'
            f"<style>{_STYLE}</style>"
        )
        if at < scale.sheet.view.end:
            svg += (
                f'<rect class="veil" x="{begin:.1f}" y="{top:.1f}" '
                f'width="{scale.width - begin:.1f}" height="{scale.floor - top - 1:.1f}"/>'
            )
        svg += (
            f'<path class="cursor" stroke-width="1.5" '
            f'd="M{x:.1f} {scale.floor:.1f}V{top + 7:.1f}l-5 -8h10l-5 8"/></svg>'
        )
        return show_image(svg, "")
