"""Seeded damage to files of every kind, and the loaders that must bear it: they succeed or raise an `InputError`.

`python tests/fuzzing.py TARGET COUNT SEED` runs so many mutations of a target within limits of time and memory.
"""

import base64
import faulthandler
import gzip
import json
import lzma
import random
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from glb_files import small_scene
from small_house import small_house
from small_vlnce import ENTRIES, write_rxr, write_vlnce
from torch import nn

from agents.config import TrainConfig
from agents.learners.dagger import Aggregate, Shard
from agents.training.checkpoint import (
    Fingerprint,
    check_fingerprint,
    load_checkpoint,
    optimizer_tensors,
    restore_learner,
    restore_random,
    save_checkpoint,
)
from agents.training.sinks import read_metrics
from envs.glb import save_glb
from envs.houses import dataset
from envs.scenes import load_scene
from vln.configuration import as_json, from_json
from vln.episodes import load_episodes
from vln.errors import InputError
from vln.features.captions import load_captions
from vln.features.hdf5 import load_hdf5
from vln.features.resnet_tsv import load_resnet_tsv
from vln.files import read_json, read_text
from vln.graph import load_graph
from vln.language import Vocabulary, load_word_vectors
from vln.rooms import load_rooms
from vln.submission import read_submission
from vln.tasks import R2R
from vln.trajectory import Pose, Step, Trajectory, read_trajectories, write_trajectories
from vln.vlnce import load_continuous_split
from vln.vlnce_submission import ContinuousPrediction, read_continuous_submission, write_continuous_submission

SECONDS, BYTES = 20, 2 << 30  # that one mutation may take


class Target(NamedTuple):
    """A kind of file.

    Attributes:
        make: Writes a good file, and the files that belong to it, into an empty folder; returns its path.
        load: Reads the file.
    """

    make: Callable[[Path], Path]
    load: Callable[[Path], Any]


# --- good files ---


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def a_trajectory(folder: Path) -> Path:
    pose = Pose("a", (1.0, 2.0, 3.0), 0.5, 0.0)
    step = Step(1, "b", pose, False, ("stop", "b"), (0.25, 0.75), (0.5, 0.5), (1.0,))
    one = Trajectory(
        "1_0", "made", "s", "0f", "Go.", ("go",), ("a", "b"), "x", "graph", 3, pose, (step, step), task=R2R
    )
    write_trajectories(folder / "t.jsonl", [one, one])
    return folder / "t.jsonl"


def a_path(**more: Any) -> dict[str, Any]:
    known = {"distance": 2.0, "scan": "hall", "path_id": 7, "path": ["a", "b"], "heading": 1.5, "instructions": ["Go."]}
    return known | more


def a_fine_path() -> dict[str, Any]:
    return a_path(new_instructions="[[['go'], ['stop']]]", chunk_view=[[[1, 2], [2, 2]]])


def a_panorama(name: str, flags: list[bool]) -> dict[str, Any]:
    return {"image_id": name, "pose": [float(n) for n in range(16)], "included": True, "unobstructed": flags}


def some_rooms(folder: Path) -> Path:
    (folder / "rooms").mkdir()
    (folder / "rooms" / "region_label.txt").write_text("b,bedroom\n")
    label = {"pano_info": {"s": {"a": {"region_index": "0", "label": "b"}}}}
    return written(folder / "rooms" / "vp2room_label.json", label)


def some_vectors(folder: Path) -> Path:
    (folder / "train_vocab.txt").write_text("a\nb\n")
    np.save(folder / "train_glove.npy", np.ones((2, 3), np.float32))
    return folder / "train_glove.npy"


def some_captions(folder: Path) -> Path:
    box = {"obj_class": "bed", "coordinates": "1 2 30 40", "confidence": "0.5", "caption": "a bed"}
    views = {str(view): {"global_cap": "a room", "dense_cap": [box]} for view in range(36)}
    written(folder / "connectivity" / "s_connectivity.json", [a_panorama("a", [False])])
    (folder / "connectivity" / "scans.txt").write_text("s\n")
    path = folder / "views" / "s.json.xz"
    path.parent.mkdir()
    path.write_bytes(lzma.compress(json.dumps({"a": views}).encode()))
    return path


def some_features(folder: Path) -> Path:
    with h5py.File(folder / "f.hdf5", "w") as file:
        for name in "ab":
            file[f"s_{name}"] = np.ones((36, 8), np.float32)
    return folder / "f.hdf5"


def some_lines(folder: Path) -> Path:
    told = base64.b64encode(np.ones((36, 8), np.float32).tobytes()).decode()
    (folder / "f.tsv").write_text("".join(f"s\t{name}\t640\t480\t60\t{told}\n" for name in "ab"))
    return folder / "f.tsv"


def a_cache(folder: Path) -> Path:
    load_hdf5(some_features(folder), folder / "cache", 8)
    return next(folder.glob("cache/*/manifest.json"))


def some_houses(folder: Path) -> Path:
    way = {"heading": 1.0, "positions": [[0, 0, 0], [1, 0, 1]], "target": "bed", "instructions": ["Go."]}
    header = {"format": dataset.FORMAT, "version": dataset.VERSION, "dataset": "houses", "split": "train", "seed": 0}
    path = folder / dataset.file_name("houses", "train")
    path.write_bytes(gzip.compress(json.dumps(header | {"houses": [[way] * 2]}).encode()))
    return path


def a_walk() -> ContinuousPrediction:
    return ContinuousPrediction("1", ((0.0, 0.1, 0.0), (0.0, 0.1, -1.0)), (0.0, 1.0), True)


def a_submission(folder: Path) -> Path:
    write_continuous_submission(folder / "s.json", "r2r-ce", [a_walk()])
    return folder / "s.json"


def some_walks(folder: Path) -> Path:
    (folder / "s.jsonl").write_text('{"instruction_id": 901, "path": [[0, 0.1, 0], [0, 0.1, -1]]}\n')
    return folder / "s.jsonl"


def network() -> tuple[nn.Linear, dict[str, torch.optim.Optimizer]]:
    model = nn.Linear(2, 3)
    return model, {"optimizer": torch.optim.Adam(model.parameters(), 0.1)}


def a_checkpoint(folder: Path) -> Path:
    model, optimizers = network()
    model(torch.ones(1, 2)).sum().backward()
    optimizers["optimizer"].step()
    states = {name: optimizer_tensors(each) for name, each in optimizers.items()}
    average = {key: value.clone() for key, value in model.state_dict().items()}
    parts = {"model": model.state_dict(), "average": average, **states, "random": {"cpu": torch.get_rng_state()}}
    counts = {"iteration": 3, "seconds": 1.5, "best": 0.5, "steps": 7, "waiting": [{"loss": 0.5}]}
    known = {"config": as_json(TrainConfig()), "fingerprint": asdict(Fingerprint("a", "b")), "versions": {"vln": "0"}}
    save_checkpoint(folder / "c.safetensors", parts, counts | known)
    return folder / "c.safetensors"


def resume(path: Path) -> None:
    found, (model, optimizers) = load_checkpoint(path), network()
    from_json(TrainConfig, found.state["config"], path)
    check_fingerprint(found, Fingerprint("a", "b"))
    restore_learner(found, model, optimizers)
    restore_random(found.part("random"), torch.device("cpu"))


def a_shard(folder: Path) -> Path:
    whole = np.arange(5, dtype=np.int64)
    Aggregate(folder).add(Shard(np.array([0, 1]), np.array([2, 3]), whole, whole))
    return next(folder.glob("*.safetensors"))


def some_metrics(folder: Path) -> Path:
    rows = [{"iteration": n, "seconds": 1.5, "group": "train", "loss": 0.5, "SR": 0.25} for n in range(3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "metrics.jsonl"


def a_house_json(folder: Path) -> Path:
    return next(save_glb(small_house("h"), folder).parent.glob("*.house.json"))


def a_stage(folder: Path) -> Path:
    save_glb(small_house("h"), folder)
    (folder / "h.house.json").unlink()
    return written(folder / "h.stage_config.json", {"render_asset": "h.glb", "up": [0, 1, 0], "front": [0, 0, -1]})


def vlnce_split(path: Path) -> Any:
    """The split of which a file is."""
    return load_continuous_split(path.parents[3], "r2r-ce", "made")


def walks(path: Path) -> Any:
    """A submission to R2R in continuous environments, or to RxR."""
    make, name = (write_vlnce, "r2r-ce") if path.suffix == ".json" else (write_rxr, "rxr-ce")
    episodes = load_continuous_split(make(path.parent / "data"), name, "made").episodes
    return read_continuous_submission(path, episodes, allow_missing=True)


TARGETS = {
    "trajectories": Target(a_trajectory, read_trajectories),
    "episodes": Target(
        lambda folder: written(folder / "e.json", [a_path(), a_path(path_id=8)]),
        lambda path: load_episodes(path, "made"),
    ),
    "fine-grained": Target(
        lambda folder: written(folder / "e.json", [a_fine_path()]), lambda path: load_episodes(path, "made")
    ),
    "submission": Target(
        lambda folder: written(folder / "s.json", [{"instr_id": "1_0", "trajectory": [["a", 0.5, 0], ["b", 1, 0.5]]}]),
        read_submission,
    ),
    "graph": Target(
        lambda folder: written(folder / "s.json", [a_panorama("a", [False, True]), a_panorama("b", [True, False])]),
        lambda path: load_graph(path, "s").distances,
    ),
    "rooms": Target(some_rooms, lambda path: load_rooms(path.parents[1])),
    "vocabulary": Target(
        lambda folder: written(
            folder / "vocabulary.json", {"unit": "word", "symbols": ["<pad>", "<unk>", "<eos>", "go", "left"]}
        ),
        lambda path: Vocabulary.from_json(read_text(path), path),
    ),
    "vectors": Target(some_vectors, lambda path: load_word_vectors(path.parent, ["a", "c"])),
    "words of vectors": Target(
        lambda folder: some_vectors(folder).with_name("train_vocab.txt"),
        lambda path: load_word_vectors(path.parent, ["a", "c"]),
    ),
    "captions": Target(some_captions, lambda path: load_captions(path.parents[1], path.parents[1] / "cache")),
    "hdf5": Target(some_features, lambda path: load_hdf5(path, path.parent / "cache", 8)),
    "tsv": Target(some_lines, lambda path: load_resnet_tsv(path, path.parent / "cache", 8)),
    "cache": Target(a_cache, lambda path: load_hdf5(path.parents[2] / "f.hdf5", path.parents[1], 8)),
    "houses": Target(some_houses, lambda path: dataset.houses_split("train", "houses", path.parent, 1)),
    "vlnce": Target(
        lambda folder: next(write_vlnce(folder, ENTRIES[:1]).glob("vlnce/*/made/made.json.gz")), vlnce_split
    ),
    "vlnce ground truth": Target(
        lambda folder: next(write_vlnce(folder, ENTRIES[:1]).glob("vlnce/*/made/made_gt.json.gz")), vlnce_split
    ),
    "vlnce submission": Target(a_submission, walks),
    "rxr submission": Target(some_walks, walks),
    "checkpoint": Target(a_checkpoint, resume),
    "dagger": Target(a_shard, lambda path: Aggregate(path.parent).restore(1)),
    "metrics": Target(some_metrics, lambda path: list(read_metrics(path))),
    "configuration": Target(
        lambda folder: written(folder / "config.json", as_json(TrainConfig())),
        lambda path: from_json(TrainConfig, read_json(path), path),
    ),
    "glb": Target(lambda folder: save_glb(small_scene(), folder / "out"), load_scene),
    "house.json": Target(a_house_json, lambda path: load_scene(path.with_name("h.glb"))),
    "stage_config.json": Target(a_stage, lambda path: load_scene(path.with_name("h.glb"))),
}

# --- damage ---

RAW = "@raw@"
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 0.5, 1e308, -1e308, 10**400, "", " ", "x", "\0", "../x", "\ud800", "x" * 10**5,
    [], {}, [[]], [None], {"x": 1}, ["x"] * 50, [0.0, 0.0, 0.0], f"{RAW}NaN", f"{RAW}-Infinity", f"{RAW}1e999",
    RAW + "1" * 5000, RAW + "[" * 10**5 + "]" * 10**5, RAW + "[" * 10**5, RAW + '{"a":' * 3000 + "1" + "}" * 3000,
)  # fmt: skip


def damaged(content: bytes, suffix: str, rng: random.Random) -> bytes:
    """The content of a file, damaged in one of many ways."""
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(suffix)
    if pack and rng.random() < 0.7:
        unpack = gzip.decompress if suffix == ".gz" else lzma.decompress
        return pack(damaged(unpack(content), ".json", rng))
    if suffix in (".json", ".jsonl") and rng.random() < 0.7:
        return hurt_json(content, suffix, rng)
    if suffix in (".safetensors", ".glb") and rng.random() < 0.5:
        return hurt_header(content, 8 if suffix == ".safetensors" else 20, rng)
    return hurt_bytes(content, rng)


def hurt_bytes(content: bytes, rng: random.Random) -> bytes:
    """Truncation, bits flipped, parts that are lost, doubled or replaced, and other encodings."""
    kind, first, last = rng.randrange(7), *sorted(rng.randrange(len(content) + 1) for _ in range(2))
    if kind == 0:
        return content[:last]
    if kind == 1:
        return content[:first] + content[last:]
    if kind == 2:
        return content[:last] + content[first:last] + content[last:]
    if kind == 3:
        return content[:first] + rng.randbytes(min(last - first, 64)) + content[last:]
    if kind == 4:
        return content.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))
    hurt = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
    return bytes(hurt)


def hurt_json(content: bytes, suffix: str, rng: random.Random) -> bytes:
    """One value replaced by something hostile, taken out, or added to."""
    lines = [json.loads(line) for line in content.splitlines()] if suffix == ".jsonl" else [json.loads(content)]
    place = rng.randrange(len(lines))
    lines[place] = hurt_value(lines[place], rng)
    return "\n".join(map(dumped, lines)).encode(errors="surrogatepass")


def hurt_header(content: bytes, start: int, rng: random.Random) -> bytes:
    """Damage the JSON header of a binary file, with a matching length field before it."""
    size = 8 if start == 8 else 4
    at = 0 if start == 8 else 12
    length = int.from_bytes(content[at : at + size], "little")
    header, rest = content[start : start + length], content[start + length :]
    value = json.loads(header)
    if start == 8 and rng.random() < 0.5:  # JSON within the header of a checkpoint
        inner = value.get("__metadata__", {})
        if "state" in inner:
            inner["state"] = dumped(hurt_value(json.loads(inner["state"]), rng))
    else:
        value = hurt_value(value, rng)
    hurt = dumped(value).encode(errors="surrogatepass")
    hurt += b" " * (-len(hurt) % 8)
    return content[:at] + len(hurt).to_bytes(size, "little") + content[at + size : start] + hurt + rest


def hurt_value(value: Any, rng: random.Random) -> Any:
    """A JSON value, hurt at a random place."""
    if rng.random() < 0.15 or not isinstance(value, (dict, list)) or not value:
        return rng.choice(HOSTILE)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key, hurt = rng.choice(keys), value.copy()
    if rng.random() < 0.1:
        del hurt[key]
    elif isinstance(value, dict) and rng.random() < 0.05:
        hurt[rng.choice(("", "new", "\0", "__class__", "x" * 1000))] = rng.choice(HOSTILE)
    else:
        hurt[key] = hurt_value(value[key], rng)
    return hurt


def dumped(value: Any) -> str:
    """JSON, with numbers and depths that Python does not write."""
    text, done = json.dumps(value, ensure_ascii=False), ""
    while (at := text.find(f'"{RAW}')) >= 0:
        end = next(n for n in range(at + 1, len(text)) if text[n] == '"' and text[n - 1] != "\\")
        done += text[:at] + json.loads(text[at : end + 1]).removeprefix(RAW)
        text = text[end + 1 :]
    return done + text


# --- the trial ---


def trial(name: str, folder: Path, seed: int) -> str:
    """Load a damaged file and return the error's sentence, "" if it loads all the same.

    Raises:
        Exception: Any exception of the loader other than an `InputError` of one sentence.
    """
    target, rng = TARGETS[name], random.Random(f"{name} {seed}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = target.make(folder)
    path.write_bytes(damaged(path.read_bytes(), path.suffix, rng))
    try:
        target.load(path)
    except InputError as error:
        told = str(error)
        assert told.endswith("."), told
        assert "; " in told, told
        assert len(told) < 3000, told[:3000]
        return told
    return ""


def main() -> None:
    """Run mutations of a target, each within its time and memory."""
    name, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    folder = Path(mkdtemp())
    TARGETS[name].load(TARGETS[name].make(folder))  # a good file first, so that imports and compilation are done
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, -1))
    outcomes: dict[bool, int] = {True: 0, False: 0}
    try:
        for number in range(seed, seed + count):
            print(f"\r{number}", end="", file=sys.stderr, flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            outcomes[bool(trial(name, folder / "files", number))] += 1
        faulthandler.cancel_dump_traceback_later()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    assert peak < BYTES, f"{peak >> 20} MiB at most in memory"
    print(f"{name}: {outcomes[True]} refused, {outcomes[False]} read, {peak >> 20} MiB")


if __name__ == "__main__":
    main()
