"""Escaping of foreign text, such as instructions, file names and labels, for a terminal."""

import re

# Control characters other than tab and line feed, marks that change the direction of the text after them, surrogates
# (which UTF-8 cannot encode), and line separators that terminals do not know.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Replace characters that a terminal would act on by their Python escapes."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shorten_middle(text: str, length: int = 1200) -> str:
    """Cut the middle out of a text that is longer than `length` characters, such as one that quotes a damaged file."""
    return text if len(text) <= length else f"{text[: length // 2]} ... {text[-length // 2 :]}"


def one_line(text: str) -> str:
    """Escape like `printable`, and line breaks and tabs as well."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
