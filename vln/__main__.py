"""The program `vln`, also `python -m vln`: it runs `scripts/__main__.py`, whatever else is called `scripts`."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Run the command that the first word of the command line names."""
    root = Path(__file__).resolve().parents[1]
    found = find_spec("scripts")
    if found is None or found.origin != str(root / "scripts" / "__init__.py"):
        sys.path.insert(0, str(root))
    import_module("scripts.__main__").main()


if __name__ == "__main__":
    main()
