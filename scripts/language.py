"""Recurrent language models of instructions, or of any text: train one, watch what it writes, let it write more.

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
from typing import Annotated, Any, Literal

import torch
import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.config import check_numbers
from agents.speaking.decoding import Decoding
from agents.speaking.language_model import LanguageModel, LanguageModelConfig
from agents.speaking.language_modelling import SAMPLE, LanguageTrainer
from agents.speaking.writing import Writer
from agents.training.checkpoint import (
    Checkpoint,
    Fingerprint,
    check_fingerprint,
    load_checkpoint,
    load_model,
    run_checkpoint,
)
from agents.training.devices import usable_device, use_threads
from agents.training.log import Log, read_metrics
from agents.training.runs import run_folder
from agents.training.settings import resumed_settings, save_settings
from agents.training.trainer import LATEST
from scripts.texts import Corpus, has_ends, open_corpus
from vln.cli import commands, show
from vln.configuration import from_json
from vln.errors import InputError
from vln.files import read_text, write_text
from vln.language import Vocabulary

FULL = 4  # times as many updates as for a quick look
TEMPERATURE = 0.7


@dataclass(frozen=True)
class Arguments:
    """What to train.

    Attributes:
        config: What to read and how to learn it.
        out: Folder of the run.
        full: Four times as many updates: the whole study.
        resume: Go on from the run's latest checkpoint, with the settings of the run; none need be given again.
        prime: What the samples go on from.
        temperature: Of the samples: below 1 likely units become likelier, 0 always takes the likeliest.
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
    """Train a language model, and show what it writes at four points of the way."""
    if arguments.resume:
        arguments = resumed_settings(Arguments, sys.argv[2:]) or arguments
    check_numbers(arguments.config)
    config = longer(arguments.config) if arguments.full else arguments.config
    use_threads(arguments.threads)
    torch.manual_seed(config.seed)
    with run_folder(arguments.out, arguments.resume) as folder:
        corpus = open_corpus(config, arguments.data)
        sampling = Decoding("sample", arguments.temperature)
        writer = Writer(corpus.vocabulary, has_ends(config), arguments.prime, sampling, arguments.length)
        writer.check()
        trainer = build_trainer(corpus, writer, folder, usable_device(arguments.device))
        if arguments.resume:
            trainer.resume(load_checkpoint(folder / LATEST))
        save_settings(arguments)
        write_text(folder / "vocabulary.json", corpus.vocabulary.to_json())
        trainer.train()
    progress(folder, arguments.json)


def longer(config: LanguageModelConfig) -> LanguageModelConfig:
    """A configuration of the whole study."""
    return replace(config, iterations=FULL * config.iterations, evaluate_every=FULL * config.evaluate_every)


def build_trainer(corpus: Corpus, writer: Writer, folder: Path, device: str) -> LanguageTrainer:
    """A trainer at iteration 0.

    Raises:
        InputError: If the text is shorter than one sequence.
    """
    windows = corpus.windows()
    model = LanguageModel(corpus.config, len(corpus.vocabulary)).to(device)
    return LanguageTrainer(
        corpus.config,
        model,
        windows,
        corpus.texts(),
        lambda model: writer(model)[0],
        Log(folder),
        folder,
        corpus.fingerprint,
    )


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
    """Let a language model write.

    Args:
        run: Folder of a run.
        prime: What the texts go on from.
        temperature: Below 1 likely units become likelier; 0 always takes the likeliest.
        top_p: Sample among the likeliest units that have this probability together.
        length: Units of a text, at most.
        count: How many texts.
        seed: Of chance.
        checkpoint: The best one by bits per character of what was held out, or the latest.
        device: Device of the model.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of lines.
    """
    if count < 1:
        raise InputError("--count", f"{count} is out of range", "give a whole number of at least 1")
    use_threads(threads)
    found = load_checkpoint(run_checkpoint(run, checkpoint))
    model, vocabulary = open_model(run, found)
    decoding = Decoding("sample", temperature, top_p)
    writer = Writer(vocabulary, has_ends(model.config), prime, decoding, length, seed)
    texts = writer(model.to(usable_device(device)).eval(), count)
    lines = Text()
    for text in texts:
        lines.append(prime, "bold").append(text[len(prime) :].rstrip("\n") + "\n")
    show(lines, texts, json)


def open_model(run: Path, checkpoint: Checkpoint) -> tuple[LanguageModel, Vocabulary]:
    """The language model of a run's checkpoint, with its averaged weights, and its vocabulary.

    Raises:
        InputError: If it is no language model, or was trained with another vocabulary.
    """
    if "sequence" not in checkpoint.state["config"]:
        raise InputError(checkpoint.source, "holds no language model", "give a folder that language.py train wrote")
    config = from_json(LanguageModelConfig, checkpoint.state["config"], checkpoint.source)
    vocabulary = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    check_fingerprint(checkpoint, Fingerprint(vocabulary.digest, checkpoint.state["fingerprint"]["features"]))
    model = LanguageModel(config, len(vocabulary))
    load_model(model, checkpoint.part("average"), checkpoint.source)
    return model, vocabulary


def progress(run: Positional[Path], json: bool = False) -> None:
    """Show what a language model wrote at several points of its training, and how good it was there.

    Args:
        run: Folder of a run.
        json: Print JSON instead of a table.
    """
    rows = history(run)
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


def history(run: Path) -> list[dict[str, Any]]:
    """Bits per character and a sample at each point of a run where there is one.

    Raises:
        InputError: If there is none.
    """
    log = run / "metrics.jsonl"
    rows: dict[int, dict[str, Any]] = {}
    for line in read_metrics(log):
        row = rows.setdefault(line["iteration"], {"iteration": line["iteration"], "bits": {}})
        if "bits" in line:
            row["bits"][line["group"]] = line["bits"]
        elif line["group"] == SAMPLE:
            row |= {"minutes": line["seconds"] / 60, "sample": line["text"]}
    found = [row for row in rows.values() if "sample" in row and row["bits"]]
    if not found:
        raise InputError(log, "has no samples of a language model", "train longer, or give another run")
    return found


if __name__ == "__main__":
    commands({"train": train, "sample": sample, "progress": progress})
