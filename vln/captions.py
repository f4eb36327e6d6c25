"""Scores of generated sentences against human ones, and the formatting of tokens as text."""

import re
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from vln.errors import InputError
from vln.language import split_words


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return BLEU (Papineni et al. 2002) and chrF (Popović 2015) of a corpus from 0 to 100, by sacreBLEU (Post 2018).

    Both sides are split into lower-case words and marks like R2R's reference tokenizer does; BLEU uses n-grams up to 4.
    Each caption, which may not be empty, has one or more human references.
    """
    if not captions or len(captions) != len(references):
        problem = f"there are {len(captions)} for {len(references)} trajectories"
        raise InputError("captions", problem, "give one for each trajectory")
    for number, (caption, human) in enumerate(zip(captions, references, strict=True)):
        if not split_words(caption):
            raise InputError("captions", f"caption {number} is empty", "give it a sentence")
        if not human:
            raise InputError("references", f"caption {number} has none", "choose a split with instructions")
    generated = [_tokens(caption) for caption in captions]
    most = max(map(len, references))
    # sacreBLEU wants streams of references: the first of each caption, the second of each, ...
    streams = [[_tokens(each[rank]) if rank < len(each) else None for each in references] for rank in range(most)]
    bleu, chrf = BLEU(tokenize="none", force=True), CHRF()
    return {
        "BLEU": bleu.corpus_score(generated, streams).score,  # type: ignore[arg-type]
        "chrF": chrf.corpus_score(generated, streams).score,  # type: ignore[arg-type]
    }


def _tokens(text: str) -> str:
    return " ".join(split_words(text))


def readable(caption: str) -> str:
    """Format space-separated tokens as text: "go left . stop ." becomes "Go left. Stop."."""
    closed = re.sub(r" ([.,;:!?)])", r"\1", caption)
    closed = re.sub(r" (['\-/]) ", r"\1", closed)
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), closed)
