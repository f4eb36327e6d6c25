"""What a script does first, before its imports, which take seconds and need other packages.

It sees that those are there, that the packages of this checkout come before others of their names, and that Ctrl-C is
quiet from now on. It needs nothing but Python itself, also an older one than the project does.
"""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 11)
NEEDED = ("gymnasium", "matplotlib", "msgspec", "numba", "numpy", "rich", "safetensors", "scipy", "torch", "tyro")
SCRIPTS = Path(__file__).resolve().parent
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it


def be_quiet() -> None:
    """End the program on Ctrl-C without a word, unless Ctrl-C is ignored; nothing has been done that could be lost."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


def find_own_packages() -> None:
    """Put this checkout before everything else on the path, in the place of the folder of the scripts."""
    sys.path[:] = [str(SCRIPTS.parent), *(each for each in sys.path if Path(each or os.curdir).resolve() != SCRIPTS)]


def check_interpreter() -> None:
    """End the program with one sentence and code 2 if this interpreter cannot run it."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if sys.version_info < OLDEST:
        problem = f"is Python {sys.version_info[0]}.{sys.version_info[1]}, not {OLDEST[0]}.{OLDEST[1]} or newer"
    elif missing:
        problem = f"has no {', '.join(missing)}"
    else:
        return
    name = Path(sys.argv[0]).name
    again = f"python scripts/{name}" if name.endswith(".py") else "vln"
    fix = f"run `make install` once, and then `.venv/bin/{again}`"
    sys.stderr.write(f"{sys.executable}: {problem}; {fix}.\n")
    sys.exit(2)


be_quiet()
find_own_packages()
check_interpreter()
