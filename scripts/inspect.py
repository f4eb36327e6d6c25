"""Look inside a trained agent: what its cells tell, and what it attends to.

python scripts/inspect.py cells runs/navigator                                # which cells are explained by what
python scripts/inspect.py cells runs/navigator --full                         # the whole split, more permutations
python scripts/inspect.py cells runs/navigator --zero core.1:17 --clamp core.1:4=0.9
python scripts/inspect.py cells runs/speaker                                  # of a speaker's decoder
python scripts/inspect.py attention runs/navigator --episode 4332_1           # words and views attended to
python scripts/inspect.py attention runs/navigator --episode 4332_1 --trajectories runs/navigator/eval/val_unseen.jsonl
"""

import os
import sys


def standard() -> None:
    """Put the standard library's module in the place of this file, which has its name and lies before it on the path.

    Python looks for modules in the folder of the script that it runs first, so that everything that says `import
    inspect`, in any of the scripts here, finds this file.
    """
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    own = os.path.realpath(os.path.dirname(__file__))  # noqa: PTH120 (pathlib may want to inspect)
    elsewhere = [folder for folder in sys.path if os.path.realpath(folder or os.curdir) != own]
    spec = PathFinder.find_spec("inspect", elsewhere)
    assert spec is not None and spec.loader is not None  # noqa: PT018 (one fact: Python has the module)
    sys.modules["inspect"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "inspect":
    standard()
elif __name__ == "__main__":
    if not __package__:  # run as a file
        import prelude  # noqa: F401 (before all other imports)
    from scripts.common import commands
    from scripts.inside_attention import attention
    from scripts.inside_cells import cells

    commands({"cells": cells, "attention": attention})
