"""Packs the agent of a run: `python -m agents.box runs/demo/full agents/box/houses-demo.safetensors`."""

import sys
from pathlib import Path

from agents.box.packing import pack
from vln.cli import friendly_exit
from vln.errors import InputError

if __name__ == "__main__":
    with friendly_exit():
        if len(sys.argv) != 3:
            raise InputError("agents.box", f"{len(sys.argv) - 1} arguments are given", "give RUN and FILE")
        pack(Path(sys.argv[1]), Path(sys.argv[2]))
