"""A rich console that shows text literally: neither markup nor escape sequences have an effect."""

from collections.abc import Iterable
from typing import Any, TypeVar

import rich.console
import rich.progress
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from vln.text import printable

T = TypeVar("T")


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


def tell(text: str) -> None:
    """Say something on stderr, as stdout may be a table in JSON; lines are not wrapped."""
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def track(items: Iterable[T], title: str, total: float | None = None) -> Iterable[T]:
    """Iterate with a progress bar on stderr, which vanishes at the end; without one if that is no terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return rich.progress.track(items, title, total, console=console, transient=True, disable=hidden)
