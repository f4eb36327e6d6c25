"""Fonts of figures and pages for Latin, Devanagari and Telugu, and a message for text that no font covers."""

import base64
import importlib.util
import io
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager

from vln.text import printable

FONT = "DejaVu Sans"  # ships with matplotlib, so that figures look the same everywhere
# Scripts of Room-across-Room: the font of each, and the pip package that contains it.
INDIC = {
    "Devanagari": ("Noto Sans Devanagari", "fontpkg-noto-sans-devanagari"),
    "Telugu": ("Noto Sans Telugu", "fontpkg-noto-sans-telugu"),
}
UNKNOWN = "?"  # for letters that no font has
REGULAR = {"wght": 400, "wdth": 100}


def families(text: str) -> list[str]:
    """Return the fonts to draw a text with: the default first, others for the letters that it lacks."""
    return [FONT] if text.isascii() or _usual().issuperset(map(ord, text)) else [FONT, *_indic()]


@cache
def _indic() -> dict[str, Path]:
    """Register the installed fonts of Indic scripts with matplotlib and return their files."""
    found = {name: file for name, package in INDIC.values() if (file := _file(package.replace("-", "_")))}
    for file in found.values():
        font_manager.fontManager.addfont(file)
    return found


def _file(module: str) -> Path | None:
    """Return the font file of a package; None if it is not installed."""
    spec = importlib.util.find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("files/*.ttf"))
    return files[0] if files else None


@cache
def _letters(file: Path) -> frozenset[int]:
    """Return the code points of a font."""
    return frozenset(font_manager.get_font(str(file)).get_charmap())


def _usual() -> frozenset[int]:
    """Return the code points of the default font."""
    return _letters(Path(font_manager.findfont(FONT)))


@cache
def _known() -> frozenset[int]:
    """Return all code points that figures can draw."""
    return _usual().union(*map(_letters, _indic().values()))


def _missing(text: str) -> list[str]:
    """Return the characters of a text that no font has, apart from spaces and controls, which have no shape."""
    return [each for each in text if ord(each) not in _known() and unicodedata.category(each)[0] not in "ZC"]


def drawable(text: str) -> str:
    """Replace letters that no font has by question marks, and control characters by escapes."""
    text = printable(text)
    missing = set(_missing(text)) if not text.isascii() else set()
    return "".join(UNKNOWN if each in missing else each for each in text)


def missing_font(text: str) -> str:
    """Return a sentence that names the font a text needs; empty if figures can draw all its letters."""
    letters = [] if text.isascii() else [each for each in _missing(text) if unicodedata.category(each)[0] in "LM"]
    if not letters:
        return ""
    script = unicodedata.name(letters[0], "an unknown script").split()[0].title()
    font, package = INDIC.get(script, ("", ""))
    cure = f"needs the font {font}: pip install {package}" if font else "is on the page of --format html"
    return f"The instruction is in {script}, whose letters figures here do not have; it {cure}."


def font_faces(text: str) -> str:
    """Return CSS rules that embed the fonts of a text's Indic letters; empty if there are none."""
    return "".join(_faces({each for each in text if ord(each) not in _usual()}))


def _faces(letters: set[str]) -> Iterator[str]:
    for name, file in _indic().items():
        if any(ord(each) in _letters(file) for each in letters):
            data = base64.b64encode(_subset(file, letters)).decode()
            yield f'@font-face {{ font-family: "{name}"; src: url(data:font/ttf;base64,{data}); }}\n'


def _subset(file: Path, letters: set[str]) -> bytes:
    """Return a font of regular weight with only the given letters and their ligatures."""
    from fontTools import subset  # this import takes a second, and most pages do not need it
    from fontTools.varLib import instancer

    options = subset.Options(layout_features=["*"])
    subsetter, buffer = subset.Subsetter(options), io.BytesIO()
    subsetter.populate(text="".join(sorted(letters)))
    font: Any = subset.load_font(str(file), options)
    with font:
        subsetter.subset(font)
        if "fvar" in font:
            instancer.instantiateVariableFont(font, REGULAR, inplace=True)
        font.save(buffer)
    return buffer.getvalue()
