"""A rich console that shows text literally: neither markup nor escape sequences have an effect."""

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from vln.text import printable


class Console(rich.console.Console):
    """A console that shows strings literally: square brackets are no markup, escape sequences are visible.

    Use a `rich.text.Text` for styled text.
    """

    def __init__(self, **options: Any) -> None:
        """Create a console; the options are those of rich's."""
        super().__init__(markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string to text with visible control characters, some of which rich would drop."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render any object with visible control characters."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
