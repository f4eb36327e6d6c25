"""Back-translation: sample paths and let a speaker describe them (Fried et al. 2018, section 3.3).

python scripts/augment.py runs/speaker --paths 10000 --out runs/augmented.json
python scripts/augment.py runs/speaker --altered --out runs/altered.json   # each path in an environment of its own
python scripts/train.py r2r-navigator --out runs/navigator --augment runs/augmented.json

Writes a file in R2R's format. Paths are shortest ones of as many viewpoints as people's, in the buildings of training.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from tyro.conf import Positional

from agents.speaking.captions import captions
from agents.speaking.decoding import Decoding, check_decoding
from agents.speaking.demonstrations import BATCH
from agents.speaking.runs import open_speaker
from agents.speaking.speaker_inputs import Routes
from agents.training.devices import use_threads
from envs.make import open_task
from vln.cli import command
from vln.console import Console, tell
from vln.errors import InputError
from vln.files import write_json
from vln.path_sampling import sample_paths


def main(
    run: Positional[Path],
    out: Path,
    paths: int = 10_000,
    viewpoints: tuple[int, int] = (5, 7),
    metres: float = 5.0,
    altered: bool = False,
    decoding: Decoding = Decoding(),  # noqa: B008 (frozen)
    data: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 0,
) -> None:
    """Sample paths that no instruction describes, and let a speaker describe them.

    Args:
        run: Folder of a speaker's training run.
        out: File to write.
        paths: Number of paths.
        viewpoints: Least and most viewpoints of a path; R2R's are the default (Anderson et al. 2018, section 4.1).
        metres: Least length of a path.
        altered: Describe each path in an environment of its own, in which some features of the views (words) are hidden
            from the speaker, and from the navigator that learns from the file (environmental dropout, Tan et al. 2019,
            section 3.4); as many as the `feature_dropout` of either says.
        decoding: How words are chosen.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        seed: Seed of the paths, and of sampled words.
        device: Device of the speaker.
        threads: CPU threads; 0 takes one for each core.
    """
    if paths < 1:
        raise InputError("--paths", f"{paths} is out of range", "give a whole number of at least 1")
    if not 2 <= viewpoints[0] <= viewpoints[1]:
        problem = f"{viewpoints[0]} to {viewpoints[1]} is out of range"
        raise InputError("--viewpoints", problem, "give the least, 2 or more, and the most")
    check_decoding(decoding)
    use_threads(threads)
    trained = open_speaker(run, ["train"], open_task, data, device=device)
    learnt = trained.data.data
    if not learnt.source.graphs:
        raise InputError(run, f"learnt '{learnt.task.name}', which has no paths of viewpoints", "use one on graphs")
    if altered and not trained.data.config.speaker.feature_dropout:
        problem = "the speaker was trained without feature dropout and hides nothing"
        raise InputError("--altered", problem, "train one with --speaker.feature-dropout, or leave it out")
    graphs = {each.scan: each for each in learnt.source.graphs}
    rng = np.random.default_rng(seed)
    drawn = list(sample_paths(graphs, learnt.splits["train"], paths, viewpoints, metres, rng))
    if altered:
        drawn = [{**each, "environment": number} for number, each in enumerate(drawn)]
    random = torch.Generator(device).manual_seed(seed)
    batches = [drawn[first : first + BATCH] for first in range(0, len(drawn), BATCH)]

    def described_routes() -> Iterator[Routes]:
        for batch in track(batches, "describing", console=Console(stderr=True)):
            routes = trained.data.graph_routes.of([(each["scan"], each["path"], each["heading"]) for each in batch])
            if altered:
                routes = replace(routes, environment=torch.tensor([each["environment"] for each in batch]))
            yield routes

    said = captions(trained.speaker, described_routes(), learnt, decoding, random)
    pairs = zip(drawn, said, strict=True)
    described = [{**each, "instructions": [sentence.text]} for each, sentence in pairs if sentence.text]
    write_json(out, described)
    tell(f"wrote {out}: {len(described)} paths")


if __name__ == "__main__":
    command(main)
