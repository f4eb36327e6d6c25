"""Tables of results: for the terminal, wrapped between words where they are too wide, and for Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.measure import Measurement
from rich.table import Table

from vln.console import Console

UNLIMITED = 10_000  # characters, wider than any table
NARROWEST = 6  # characters of columns that fold, or of the first one, which may be cut if nothing else helps


def number_table(heads: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> Table:
    """Make a table for the terminal whose first column holds names and all others numbers."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(mean: float, low: float, high: float) -> str:
    """Write a share in percent, with half the width of its interval."""
    return f"{100 * mean:.1f} ± {50 * (high - low):.1f}"


def change_in_points(mean: float, low: float, high: float) -> str:
    """Write a change of a share in percentage points, with the ends of its interval."""
    return f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def fit_to_width(drawn: RenderableType, width: int) -> RenderableType:
    """Narrow a table, or each table of a group, to at most `width` characters; changes the tables in place."""
    if isinstance(drawn, Group):
        for each in drawn.renderables:
            fit_to_width(each, width)
    elif isinstance(drawn, Table) and drawn.columns:
        _fit(drawn, width)
    return drawn


def _fit(table: Table, width: int) -> None:
    console = Console(width=UNLIMITED)
    spans = [_span(console, [column.header, *column.cells], column.min_width or 0) for column in table.columns]
    widths, least = [span.maximum for span in spans], [span.minimum for span in spans]
    whole = Measurement.get(console, console.options, table).maximum
    too_wide = whole - width
    if too_wide <= 0:
        return
    if sum(widths) - sum(least) < too_wide:
        for place in [each for each, column in enumerate(table.columns) if column.overflow == "fold"] or [0]:
            least[place] = min(least[place], NARROWEST)
    for _ in range(too_wide):
        place = max(range(len(widths)), key=lambda each: widths[each] - least[each])
        widths[place] -= widths[place] > least[place]
    for column, span, wanted in zip(table.columns, spans, widths, strict=True):
        if wanted < span.maximum:
            column.min_width, column.width, column.no_wrap, column.overflow = None, wanted, False, "fold"


def _span(console: Console, cells: list[RenderableType], least: int) -> Measurement:
    """The lengths of the longest word and of the longest line of some cells."""
    each = [Measurement.get(console, console.options, cell) for cell in cells]
    longest = max(measured.maximum for measured in each)
    return Measurement(max(measured.minimum for measured in each), max(longest, least))
