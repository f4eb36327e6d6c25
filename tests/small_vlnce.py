"""A small folder in the format of VLN-CE, in an empty hall where the straight line is the shortest path."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from vln.episodes import Episode
from vln.vlnce import rotation_of

SCAN = "hall"
STEP = 0.25


def entry(number: int, start: tuple[float, float], goal: tuple[float, float], **changes: Any) -> dict[str, Any]:
    """An episode from one (x, z) place to another."""
    (x, z), (u, w) = start, goal
    heading = math.atan2(x - u, z - w)
    return {
        "episode_id": number,
        "trajectory_id": number,
        "scene_id": f"mp3d/{SCAN}/{SCAN}.glb",
        "start_position": [x, 0.1, z],
        "start_rotation": rotation_of(heading),
        "info": {"geodesic_distance": math.dist(start, goal)},
        "goals": [{"position": [u, 0.1, w], "radius": 3.0}],
        "instruction": {"instruction_text": f"Walk to place {number}. ", "instruction_tokens": [1, 2, 0]},
        "reference_path": [[x, 0.1, z], [(x + u) / 2, 0.1, (z + w) / 2], [u, 0.1, w]],
    } | changes


def told(number: int, episode: Episode) -> dict[str, Any]:
    """An episode in a small house."""
    (x, y, z), (u, v, w) = episode.positions
    path = [[x, y, z], [u, v, w]]
    start = {"start_position": path[0], "reference_path": path, "goals": [{"position": path[1], "radius": 3.0}]}
    scene = {"scene_id": f"mp3d/{episode.scan}/{episode.scan}.glb"}
    return entry(number, (x, z), (u, w)) | start | scene | {"instruction": {"instruction_text": episode.instruction}}


def walked(of: dict[str, Any]) -> dict[str, Any]:
    """The ground truth of an episode: straight on."""
    start, goal = np.array(of["start_position"]), np.array(of["goals"][0]["position"])
    count = int(np.linalg.norm(goal - start) / STEP)
    ahead = (goal - start) / np.linalg.norm(goal - start) * STEP
    places = [(start + ahead * number).tolist() for number in range(count + 1)]
    return {"locations": places, "actions": [1] * count + [0], "forward_steps": count}


ENTRIES = [entry(1, (0, 0), (0, -6)), entry(2, (0, 0), (0, -6)), entry(7, (1, 1), (8, 1))]


def write_vlnce(
    folder: Path, entries: list[dict[str, Any]] = ENTRIES, split: str = "made", truth: Any = None, name: str = "v1-2"
) -> Path:
    """Write a split of R2R in continuous environments into a data folder, and return that."""
    place = folder / "vlnce" / f"R2R_VLNCE_{name}_preprocessed" / split
    place.mkdir(parents=True, exist_ok=True)
    pack(place / f"{split}.json.gz", {"episodes": entries})
    if truth is None:
        truth = {str(each["episode_id"]): walked(each) for each in entries if each.get("goals")}
    if truth:
        pack(place / f"{split}_gt.json.gz", truth)
    return folder


LANGUAGES = ("hi-IN", "en-US")


def write_rxr(
    folder: Path, split: str = "made", entries: list[dict[str, Any]] = ENTRIES[:2], truth: bool = True
) -> Path:
    """Write a split of RxR in continuous environments: guide and follower, who walk by the same instructions."""
    place = folder / "vlnce" / "RxR_VLNCE_v0" / split
    place.mkdir(parents=True, exist_ok=True)
    for role, first in (("guide", 0), ("follower", 10)):
        made = []
        for number, each in enumerate(entries):
            language = LANGUAGES[number % 2]
            text = "चलो " if language == "hi-IN" else each["instruction"]["instruction_text"]
            told = {"instruction_text": text, "instruction_id": f"{900 + each['episode_id']}", "language": language}
            made.append(each | {"episode_id": f"{first + each['episode_id']}", "instruction": told})
        pack(place / f"{split}_{role}.json.gz", {"episodes": made})
        if truth:
            pack(place / f"{split}_{role}_gt.json.gz", {each["episode_id"]: walked(each) for each in made})
    return folder


def pack(path: Path, content: Any) -> None:
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
