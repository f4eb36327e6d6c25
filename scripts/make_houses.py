"""Write generated houses for other simulators: GLB, stage_config and habitat's semantic description.

    python scripts/make_houses.py --seeds 0 1 2 --out houses
    python scripts/make_houses.py --for-habitat houses-short --split val_unseen --houses 4 --out habitat

The default simulator needs none of these files: it makes its houses when it loads them. habitat-sim takes a house by
its stage_config, other programs read the GLB. Files that are there, whole and of these very houses, stay as they are.

`--for-habitat` also writes the houses' episodes in the format of R2R in continuous environments, and navmeshes if
there is a habitat-sim to make them; without one they are made when habitat-sim first opens the houses.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import os
from pathlib import Path
from typing import Literal

from envs.glb import is_saved, save_glb
from envs.glb.stage import SUFFIX as STAGE
from envs.habitat.check import check_habitat
from envs.habitat.scenes import SceneFolder
from envs.habitat.settings import VARIABLE, habitat_interpreter, use_interpreter
from envs.habitat.simulator import HabitatSimulator
from envs.houses import SEEDS, house_name, make_house
from envs.houses.dataset import houses_split
from vln.cli import command, say
from vln.console import track
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import writable_folder, write_json
from vln.tasks import find_task
from vln.vlnce import write_continuous_split

DATASET = "houses.scene_dataset_config.json"
NAVMESH = ".navmesh"


def main(
    out: Path,
    seeds: tuple[int, ...] = (),
    for_habitat: Literal["houses-short", "houses", "houses-long"] | None = None,
    split: str = "val_unseen",
    houses: int | None = None,
    habitat_python: Path | None = None,
) -> None:
    """Write generated houses for other simulators: GLB, stage_config and habitat's semantic description.

    Args:
        out: Folder to write to.
        seeds: Numbers of the houses, from 0 to 999,999.
        for_habitat: Write the houses of this data set instead, with episodes and navmeshes.
        split: Split of that data set.
        houses: Number of its houses, from the first; all of the split if absent, and of no split but train more.
        habitat_python: Python that has habitat-sim; default $VLN_HABITAT_PYTHON, then this Python.
    """
    episodes: list[Episode] = []
    if for_habitat:
        if seeds:
            raise InputError("--seeds", "goes without --for-habitat", "give one of them")
        use_interpreter(habitat_python)
        if os.environ.get(VARIABLE):
            check_habitat()
        episodes = houses_split(split, for_habitat, houses=houses)
        seeds = tuple(int(each.scan.removeprefix("house-")) for each in episodes)
    if not seeds:
        raise InputError("--seeds", "names no house", f"give one or more numbers from 0 to {SEEDS - 1}")
    for seed in (seed for seed in seeds if seed not in range(SEEDS)):
        make_house(seed)  # tells what is wrong, before anything is written
    writable_folder(out)
    unique = tuple(dict.fromkeys(seeds))
    written = sum(_write(seed, out) for seed in track(unique, "writing houses"))
    say(f"{len(unique)} houses in {out}: {written} written, {len(unique) - written} were there")
    if for_habitat:
        _write_episodes(out, for_habitat, split, episodes)
        _write_navmeshes(out, unique)


def _write(seed: int, out: Path) -> bool:
    """Write a house unless it is there; return whether it was written."""
    scene = make_house(seed)
    if is_saved(scene, out):
        return False
    save_glb(scene, out)
    return True


def _write_episodes(out: Path, dataset: str, split: str, episodes: list[Episode]) -> None:
    """Write the episodes, and habitat's list of the houses."""
    path = out / "vlnce" / f"R2R_VLNCE_v1-{dataset}" / split / f"{split}.json.gz"
    write_continuous_split(path, episodes, lambda scan: f"{scan}{STAGE}", find_task(dataset).success.metres)
    write_json(out / DATASET, {"stages": {"paths": {".json": ["house-*" + STAGE]}}})
    say(f"{len(episodes)} episodes in {path}")


def _write_navmeshes(out: Path, seeds: tuple[int, ...]) -> None:
    """Let habitat-sim make the missing navmeshes, if it is installed."""
    missing = [seed for seed in seeds if not (out / f"{house_name(seed)}{NAVMESH}").is_file()]
    try:
        habitat_interpreter()
    except InputError as error:
        say(f"no navmeshes, which habitat-sim will make when it opens the houses: {error}")
        return
    simulator = HabitatSimulator(SceneFolder(out))
    for seed in track(missing, "making navmeshes"):
        simulator.save_navmesh(house_name(seed), str(out / f"{house_name(seed)}{NAVMESH}"))
    say(f"{len(seeds)} navmeshes in {out}: {len(missing)} written, {len(seeds) - len(missing)} were there")
    simulator.close()


if __name__ == "__main__":
    command(main)
