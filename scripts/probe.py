"""Look inside a trained agent: what its cells tell, and what it attends to.

python scripts/probe.py cells runs/navigator                                # which cells are explained by what
python scripts/probe.py cells runs/navigator --full                         # the whole split, more permutations
python scripts/probe.py cells runs/navigator --zero core.1:17 --clamp core.1:4=0.9
python scripts/probe.py cells runs/speaker                                  # of a speaker's decoder
python scripts/probe.py attention runs/navigator --episode 4332_1           # words and views attended to
python scripts/probe.py attention runs/navigator --episode 4332_1 --trajectories runs/navigator/eval/val_unseen.jsonl
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from scripts.inside_attention import attention
from scripts.inside_cells import cells
from vln.cli import commands

if __name__ == "__main__":
    commands({"cells": cells, "attention": attention})
