"""Train recurrent language models of instructions or of any text, and sample from them.

python scripts/language.py train --out runs/letters                      # characters of R2R: a quick look
python scripts/language.py train --full --out runs/letters               # ten minutes
python scripts/language.py train --unit word --dropout 0.4 --out runs/words
python scripts/language.py train --text houses-short --cell gru --layers 2 --out runs/houses-letters
python scripts/language.py train --text shakespeare.txt --out runs/shakespeare     # the last tenth is held out
python scripts/language.py train --out runs/letters --resume             # go on after an interruption
python scripts/language.py sample runs/letters --prime "go" --temperature 0.7
python scripts/language.py progress runs/letters                         # what it wrote as it learnt
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.config import check_numbers
from agents.speaking.corpus import has_ends, open_corpus
from agents.speaking.decoding import Decoding
from agents.speaking.language_model import LanguageModelConfig
from agents.speaking.language_runs import build_language_trainer, load_language_model, training_history
from agents.speaking.writing import Writer
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.devices import usable_device, use_threads
from agents.training.runs import run_folder
from agents.training.settings import resumed_settings, save_settings
from vln.cli import commands, show
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import write_text

FULL = 4  # times as many updates as for a quick look
TEMPERATURE = 0.7


@dataclass(frozen=True)
class Arguments:
    """Arguments of training.

    Attributes:
        config: The text and the model.
        out: Folder of the run.
        full: Four times as many updates: the whole study.
        resume: Go on from the run's latest checkpoint, with the settings of the run; none need be given again.
        prime: Beginning of the samples.
        temperature: Temperature of the samples: below 1 likely units become likelier, 0 always takes the likeliest.
        length: Units of a sample, at most.
        data: Data folder; default $VLN_DATA, then ../shared/data. Files and generated houses need none.
        device: Device to learn on, "cpu" or "cuda".
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
        preset: There are none.
    """

    config: Annotated[LanguageModelConfig, tyro.conf.arg(name="")] = LanguageModelConfig()  # noqa: RUF009 (frozen)
    out: Path = Path("runs/language")
    full: bool = False
    resume: bool = False
    prime: str = ""
    temperature: float = TEMPERATURE
    length: int = 300
    data: Path | None = None
    device: str = "cpu"
    threads: int = 0
    json: bool = False
    preset: tyro.conf.Suppress[str | None] = None


def train(arguments: Annotated[Arguments, tyro.conf.arg(name="")]) -> None:
    """Train a language model, and show samples from four points of the training."""
    if arguments.resume:
        arguments = resumed_settings(Arguments, sys.argv[2:]) or arguments
    check_numbers(arguments.config)
    config = arguments.config
    if arguments.full:
        config = replace(config, iterations=FULL * config.iterations, evaluate_every=FULL * config.evaluate_every)
    use_threads(arguments.threads)
    torch.manual_seed(config.seed)
    with run_folder(arguments.out, arguments.resume) as folder:
        corpus = open_corpus(config, load_houses, arguments.data)
        sampling = Decoding("sample", arguments.temperature)
        writer = Writer(corpus.vocabulary, has_ends(config), arguments.prime, sampling, arguments.length)
        writer.check()
        trainer = build_language_trainer(corpus, writer, folder, usable_device(arguments.device))
        if arguments.resume:
            trainer.resume(load_checkpoint(folder / LATEST))
        save_settings(arguments)
        write_text(folder / "vocabulary.json", corpus.vocabulary.to_json())
        trainer.train()
    progress(folder, arguments.json)


def load_houses(dataset: str, split: str, houses: int) -> list[Episode]:
    """Load the episodes of a split of generated houses."""
    from envs.houses.dataset import houses_for, houses_split  # compiled code, which takes seconds to load

    return houses_split(split, dataset, None, houses_for(split, houses))


def sample(
    run: Positional[Path],
    prime: str = "",
    temperature: float = TEMPERATURE,
    top_p: float = 1.0,
    length: int = 300,
    count: int = 3,
    seed: int = 0,
    checkpoint: Literal["best", "latest"] = "best",
    device: str = "cpu",
    threads: int = 0,
    json: bool = False,
) -> None:
    """Sample texts from a language model.

    Args:
        run: Folder of a run.
        prime: Beginning of the texts.
        temperature: Below 1 likely units become likelier; 0 always takes the likeliest.
        top_p: Sample among the likeliest units that have this probability together.
        length: Units of a text, at most.
        count: Number of texts.
        seed: Seed of sampling.
        checkpoint: The best one by bits per character of the held-out text, or the latest.
        device: Device of the model.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of lines.
    """
    if count < 1:
        raise InputError("--count", f"{count} is out of range", "give a whole number of at least 1")
    use_threads(threads)
    model, vocabulary = load_language_model(run, checkpoint)
    decoding = Decoding("sample", temperature, top_p)
    writer = Writer(vocabulary, has_ends(model.config), prime, decoding, length, seed)
    texts = writer(model.to(usable_device(device)).eval(), count)
    lines = Text()
    for text in texts:
        lines.append(prime, "bold").append(text[len(prime) :].rstrip("\n") + "\n")
    show(lines, texts, json)


def progress(run: Positional[Path], json: bool = False) -> None:
    """Show samples from several points of a training run, with the bits per character there.

    Args:
        run: Folder of a run.
        json: Print JSON instead of a table.
    """
    rows = training_history(run)
    drawn = Table(title=f"{run.name}: as it learnt", box=SIMPLE_HEAD, padding=0, show_lines=True)
    for head in ("", "updates", "minutes"):
        drawn.add_column(head, justify="right" if head else "left")
    names = list(rows[0]["bits"])
    for name in names:
        drawn.add_column(f"bits,\n{name}", justify="right")
    drawn.add_column("sample")
    for number, row in enumerate(rows):
        label = "train more" if number else "at first"
        bits = [f"{row['bits'][name]:.3f}" for name in names]
        drawn.add_row(label, f"{row['iteration']:,}", f"{row['minutes']:.1f}", *bits, Text(row["sample"]))
    show(drawn, rows, json)


if __name__ == "__main__":
    commands({"train": train, "sample": sample, "progress": progress})
