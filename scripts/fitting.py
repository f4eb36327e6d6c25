"""Tables that fit into a terminal: what is too wide is wrapped between words, and no word is cut."""

from rich.console import Group, RenderableType
from rich.measure import Measurement
from rich.table import Table

from vln.console import Console

WIDE = 10_000  # columns, more than any table has
NARROWEST = 6  # columns of names, which may be cut where all else would not fit


def fitted(drawn: RenderableType, width: int) -> RenderableType:
    """A table, or each table of a group, as wide as a terminal at most; tables are changed in place."""
    if isinstance(drawn, Group):
        for each in drawn.renderables:
            fitted(each, width)
    elif isinstance(drawn, Table) and drawn.columns:
        _fit(drawn, width)
    return drawn


def _fit(table: Table, width: int) -> None:
    console = Console(width=WIDE)
    spans = [_span(console, [column.header, *column.cells], column.min_width or 0) for column in table.columns]
    widths, least = [span.maximum for span in spans], [span.minimum for span in spans]
    whole = Measurement.get(console, console.options, table).maximum
    too_wide = whole - width
    if too_wide <= 0:
        return
    if sum(widths) - sum(least) < too_wide:
        least[0] = min(least[0], NARROWEST)
    for _ in range(too_wide):
        place = max(range(len(widths)), key=lambda each: widths[each] - least[each])
        widths[place] -= widths[place] > least[place]
    for column, span, wanted in zip(table.columns, spans, widths, strict=True):
        if wanted < span.maximum:
            column.min_width, column.width, column.no_wrap, column.overflow = None, wanted, False, "fold"


def _span(console: Console, cells: list[RenderableType], least: int) -> Measurement:
    """The longest word of some cells, and the longest line."""
    each = [Measurement.get(console, console.options, cell) for cell in cells]
    longest = max(measured.maximum for measured in each)
    return Measurement(max(measured.minimum for measured in each), max(longest, least))
