"""What a script does first, before its imports, which take seconds and need other packages.

It sees that those are there, that our own packages come before others of their names, and that Ctrl-C is quiet from
now on. It needs nothing but Python itself, also an older one than the project does.
"""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 11)
NEEDED = (
    "gymnasium",
    "matplotlib",
    "msgspec",
    "numba",
    "numpy",
    "pooch",
    "rich",
    "safetensors",
    "scipy",
    "torch",
    "tyro",
)
SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
PACKAGES = ("vln", "envs", "agents", "scripts")  # ours; the first line of each names vln
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it


def be_quiet() -> None:
    """End the program on Ctrl-C without a word, unless Ctrl-C is ignored; nothing has been done that could be lost."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


def package_in_the_way() -> "tuple[str, Path] | None":
    """Return the name of the first package that Python would import and is not ours, and its file; None if all are."""
    for name in PACKAGES:
        spec, own = find_spec(name), ROOT / name / "__init__.py"
        found = Path((spec and spec.origin) or os.curdir).resolve()
        if found != own or " vln" not in own.read_text(encoding="utf-8").replace('"""', " ").partition("\n")[0]:
            return name, found
    return None


def find_own_packages() -> None:
    """Leave the folder of the scripts out of the path, and put ours before all else if other packages came first."""
    sys.path[:] = [each for each in sys.path if Path(each or os.curdir).resolve() != SCRIPTS]
    if package_in_the_way():
        sys.path.insert(0, str(ROOT))


def check_interpreter() -> None:
    """End the program with one sentence and code 2 if this interpreter cannot run it."""
    source: object = sys.executable
    missing = [name for name in NEEDED if find_spec(name) is None]
    name = Path(sys.argv[0]).name
    again = f"python scripts/{name}" if name.endswith(".py") else "vln"
    fix = f"run `make install` once, and then `.venv/bin/{again}`"
    if not (ROOT / "Makefile").is_file():
        fix = "install vln with pip, together with what it depends on"
    other = package_in_the_way()
    if sys.version_info < OLDEST:
        problem = f"is Python {sys.version_info[0]}.{sys.version_info[1]}, not {OLDEST[0]}.{OLDEST[1]} or newer"
    elif missing:
        problem = f"has no {', '.join(missing)}"
    elif other:
        source, problem = other[1], f"is another package '{other[0]}', in the place of vln's"
        fix = "uninstall what brought it and install vln again, or give vln an environment of its own"
    else:
        return
    sys.stderr.write(f"{source}: {problem}; {fix}.\n")
    sys.exit(2)


be_quiet()
find_own_packages()
check_interpreter()
