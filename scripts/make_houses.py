"""Write generated houses for other simulators: GLB, stage_config and habitat's semantic description.

    python scripts/make_houses.py --seeds 0 1 2 --out houses

The default simulator needs none of these files: it makes its houses when it loads them. habitat-sim takes a house by
its stage_config, other programs read the GLB. Files that are there, whole and of these very houses, stay as they are.
"""

from pathlib import Path

from rich.console import Console
from rich.progress import track

from envs.glb import is_saved, save_glb
from envs.houses import SEEDS, make_house
from scripts.common import command
from vln.errors import InputError
from vln.files import writable_folder


def main(seeds: tuple[int, ...], out: Path) -> None:
    """Write generated houses for other simulators: GLB, stage_config and habitat's semantic description.

    Args:
        seeds: Numbers of the houses, from 0 to 999,999.
        out: Folder to write to.
    """
    if not seeds:
        raise InputError("--seeds", "names no house", f"give one or more numbers from 0 to {SEEDS - 1}")
    for seed in (seed for seed in seeds if seed not in range(SEEDS)):
        make_house(seed)  # tells what is wrong, before anything is written
    writable_folder(out)
    console = Console(stderr=True)
    unique = tuple(dict.fromkeys(seeds))
    steps = track(unique, "writing houses", console=console, transient=True, disable=not console.is_terminal)
    written = sum(_write(seed, out) for seed in steps)
    print(f"{len(unique)} houses in {out}: {written} written, {len(unique) - written} were there")


def _write(seed: int, out: Path) -> bool:
    """Whether the house was still to write."""
    scene = make_house(seed)
    if is_saved(scene, out):
        return False
    save_glb(scene, out)
    return True


if __name__ == "__main__":
    command(main)
