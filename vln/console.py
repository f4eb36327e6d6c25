"""A terminal that shows what it is given and obeys nothing in it."""

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from vln.text import printable


class Console(rich.console.Console):
    """A console to which a string is text: square brackets are no markup, and escape sequences are shown.

    What is to have a style is a `rich.text.Text`.
    """

    def __init__(self, **options: Any) -> None:
        """A console with the options of rich's."""
        super().__init__(markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as text, of which rich would leave some control characters out."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed of something, whoever has made its texts."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
