"""Data sets in anybody's scenes: episodes drawn on the walkable floor, and the folder that holds them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from envs.glb import is_saved, save_glb
from envs.navigation import Ground
from envs.scene import Scene
from envs.scenes import load_scene
from vln.data_folder import CONNECTIVITY
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_json, read_text
from vln.schema import NonBlank
from vln.tasks import find_task
from vln.vlnce import write_continuous_split

SHARES = ("train=0.8", "val_seen=0.1", "val_unseen=0.1")  # what the presets train and evaluate on
STARTS = 64  # that are tried for a goal
TRIES = 20  # goals that are tried for an episode
SIDES = ("ahead of you", "on your left", "behind you", "on your right")


@dataclass(frozen=True)
class Draw:
    """How episodes are drawn."""

    count: int = 100  # Episodes in each scene.
    shortest: float = 3.0  # Least metres to walk from start to goal.
    longest: float = 10.0  # Most metres to walk from start to goal.
    seed: int = 0  # Seed of starts, goals and headings.

    def check(self) -> None:
        """Check the numbers."""
        if self.count < 1:
            raise InputError("--count", f"{self.count} episodes asked for", "give a whole number above 0")
        if not 0 < self.shortest < self.longest < math.inf:
            problem = f"{self.shortest} to {self.longest} metres"
            raise InputError("--shortest and --longest", problem, "give metres above 0, the shortest first")
        if self.seed < 0:
            raise InputError("--seed", f"{self.seed} is negative", "use 0 or more")


def load_scenes(paths: Sequence[Path], up: str | None = None, scale: float | None = None) -> dict[str, Scene]:
    """Load scenes by their names, in which dots are replaced, as names in episodes have none."""
    scenes: dict[str, Scene] = {}
    for path in paths:
        scene = load_scene(path, up, scale)
        name = scene.name.replace(".", "_")
        if name in scenes:
            raise InputError(path, f"is the second scene with the name '{name}'", "rename one of the files")
        scenes[name] = replace(scene, name=name)
    return scenes


def draw_episodes(ground: Ground, draw: Draw) -> list[Episode]:
    """Draw episodes whose lengths are about uniform over the range, with placeholders for instructions.

    Both ends are on the largest connected floor, stairs included; positions lie on the shortest path between them.
    """
    rng, episodes = np.random.default_rng(draw.seed), list[Episode]()
    furthest, tries = 0.0, TRIES * max(draw.count, 10)
    while len(episodes) < draw.count:
        if not tries:
            found = f"only {len(episodes)} of {draw.count} episodes" if episodes else "no two places"
            problem = f"{found} are {draw.shortest:g} to {draw.longest:g} m apart; the furthest were {furthest:.1f} m"
            raise InputError(f"scene '{ground.name}'", problem, "give another --shortest or --longest")
        tries -= 1
        goal, *starts = ground.sample(rng, STARTS).round(3)
        metres = ground.field(goal).distance(np.array(starts))
        furthest = max(furthest, metres[np.isfinite(metres)].max(initial=0.0))
        wanted, heading = rng.uniform(draw.shortest, draw.longest), rng.uniform(0, math.tau)
        fits = (draw.shortest <= metres) & (metres <= draw.longest) & ground.contains(starts) & ground.contains(goal)
        if fits.any():
            best = int(np.where(fits, abs(metres - wanted), np.inf).argmin())
            path = ground.shortest_path(starts[best], goal).round(3)
            path[0], path[-1] = starts[best], goal
            positions = tuple((x, y, z) for x, y, z in path.tolist())
            said = placeholder(path, heading, float(metres[best]))
            number = f"{ground.name}-{len(episodes)}"
            episodes.append(Episode(number, ground.name, "", said, (), round(heading, 4), positions=positions))
    return episodes


def placeholder(path: np.ndarray, heading: float, metres: float) -> str:
    """Say how far the goal of a path (k, 3) is, and on which side."""
    x, _, z = path[-1] - path[0]
    side = round((math.atan2(-x, -z) - heading) / (math.pi / 2)) % 4
    return f"Walk {metres:.0f} metres to the goal, which is {SIDES[side]}."


def read_instructions(path: Path, count: int) -> list[str]:
    """Read at least `count` instructions, a JSON list (.json) or one a line."""
    if path.suffix == ".json":
        found = read_json(path, list[NonBlank], "give a list of sentences")
    else:
        found = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if len(found) < count:
        raise InputError(path, f"has {len(found)} instructions for {count} episodes", "add some, or lower --count")
    return found


def read_shares(splits: Sequence[str]) -> dict[str, float]:
    """Read the shares of splits, `name=share`; names alone divide what the others leave."""
    given = dict(each.partition("=")[::2] for each in splits)
    for name in given:
        if not re.fullmatch(r"\w[\w-]*", name) or name.endswith("_gt"):
            raise InputError("--splits", f"'{name}' is no name of a split", "give letters, digits, _ and -")
    try:
        shares = {name: float(share) for name, share in given.items() if share}
    except ValueError:
        shares = {"": math.nan}
    left, alone = 1 - sum(shares.values()), len(given) - len(shares)
    adds_up = left > 0 if alone else abs(left) < 1e-6
    if not given or len(given) < len(splits) or not min(shares.values(), default=1) > 0 or not adds_up:
        raise InputError("--splits", f"{' '.join(splits)!r} does not divide episodes", "give shares that add up to 1")
    return {name: shares.get(name) or left / alone for name in given}


def divide(episodes: Sequence[Episode], shares: Mapping[str, float]) -> dict[str, list[Episode]]:
    """Divide episodes among splits, in order."""
    ends = [0, *np.round(np.cumsum([*shares.values()]) * len(episodes)).astype(int).tolist()]
    parts = {name: episodes[ends[place] : ends[place + 1]] for place, name in enumerate(shares)}
    for name, part in parts.items():
        if not part:
            fix = f"give a larger --count, or --splits {next(iter(shares))}"
            raise InputError("--splits", f"'{name}' gets none of {len(episodes)} episodes", fix)
    return {name: [replace(each, split=name) for each in part] for name, part in parts.items()}


def check_new(out: Path, scenes: Mapping[str, Scene], splits: Sequence[str]) -> None:
    """Check that splits and scenes can be added to a folder, which may be a data set in scenes already."""
    if any(out.glob(CONNECTIVITY)):
        raise InputError(out, "is a data set on navigation graphs", "give another --out")
    for split in splits:
        if any((out / place / f"{split}.json.gz").exists() for place in ("", split)):
            raise InputError(out, f"split '{split}' is there already", "give another --splits or --out")
    for name, scene in scenes.items():
        if (out / "scenes" / f"{name}.glb").exists() and not is_saved(scene, out / "scenes"):
            raise InputError(out, f"another scene '{name}' is there already", "rename the file, or give another --out")


def write_dataset(out: Path, scenes: Mapping[str, Scene], splits: Mapping[str, Sequence[Episode]]) -> None:
    """Write scenes, in metres with y up, and splits in the format of VLN-CE into a folder."""
    for scene in scenes.values():
        save_glb(scene, out / "scenes")
    radius = find_task("r2r-ce").success.metres
    for split, episodes in splits.items():
        write_continuous_split(out / split / f"{split}.json.gz", episodes, lambda scan: f"{scan}.glb", radius)
