"""Text from elsewhere, such as instructions, file names and labels, on its way to a terminal."""

import re

# What terminals obey: control characters but tabs and line feeds, and what turns the direction of all that follows.
# Besides, what cannot be written as UTF-8, and separators of lines that terminals do not know.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text in which what a terminal would obey is shown as Python escapes it."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same on one line, whose breaks and tabs are shown too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
