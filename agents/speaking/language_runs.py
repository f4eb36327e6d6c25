"""Runs of language models: making a trainer, loading a trained model, what it wrote while it learnt."""

from pathlib import Path
from typing import Any

from agents.speaking.corpus import Corpus
from agents.speaking.language_model import LanguageModel, LanguageModelConfig
from agents.speaking.language_modelling import SAMPLE, LanguageTrainer
from agents.speaking.writing import Writer
from agents.training.base import RunRecord
from agents.training.checkpoint import Fingerprint, check_fingerprint, load_checkpoint, load_model, run_checkpoint
from agents.training.log import Log
from agents.training.sinks import read_metrics
from vln.configuration import from_json
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary


def build_language_trainer(corpus: Corpus, writer: Writer, folder: Path, device: str) -> LanguageTrainer:
    """Make a trainer at iteration 0."""
    windows = corpus.windows()
    model = LanguageModel(corpus.config, len(corpus.vocabulary)).to(device)
    record = RunRecord(Log(folder), folder, corpus.fingerprint)
    return LanguageTrainer(corpus.config, model, windows, corpus.texts(), lambda model: writer(model)[0], record)


def load_language_model(run: Path, checkpoint: str) -> tuple[LanguageModel, Vocabulary]:
    """Load the language model of a run with its averaged weights, and its vocabulary."""
    found = load_checkpoint(run_checkpoint(run, checkpoint))
    if "sequence" not in found.state["config"]:
        raise InputError(found.source, "holds no language model", "give a folder that language.py train wrote")
    config = from_json(LanguageModelConfig, found.state["config"], found.source)
    vocabulary = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    check_fingerprint(found, Fingerprint(vocabulary.digest, found.state["fingerprint"]["features"]))
    model = LanguageModel(config, len(vocabulary))
    load_model(model, found.part("average"), found.source)
    return model, vocabulary


def training_history(run: Path) -> list[dict[str, Any]]:
    """Return bits per character and a sample at each point of a run that has one."""
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
