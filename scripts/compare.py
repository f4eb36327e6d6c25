"""Compare what recurrent agents are made of, and what they use.

python scripts/compare.py cells runs/demo/full                                # vanilla RNN, GRU, LSTM: a quick look
python scripts/compare.py cells runs/demo/full --full --seeds 0 1 2           # each trained as long as the run was
python scripts/compare.py bias runs/demo/full                                 # what it uses of what it sees and reads
python scripts/compare.py bias runs/demo/full runs/demo/blind runs/demo/deaf  # beside agents trained without
python scripts/compare.py bias runs/navigator --full                          # all episodes of both validation splits
python scripts/compare.py typos runs/navigator runs/letters                   # success while typing mistakes get more
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from scripts.compare_bias import bias
from scripts.compare_cells import cells
from scripts.compare_typos import typos
from vln.cli import commands

if __name__ == "__main__":
    commands({"cells": cells, "bias": bias, "typos": typos})
