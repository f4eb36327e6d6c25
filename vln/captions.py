"""Scoring sentences about a trajectory against what people said of it, and writing them as people do."""

import re
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from vln.errors import InputError
from vln.language import split_words


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015) of a corpus, by sacreBLEU (Post 2018), from 0 to 100.

    Both sides are cut into lower-case words and marks as R2R's reference tokenizer does; BLEU takes up to four of them.

    Args:
        captions: N sentences.
        references: What people said of each, one sentence at least; their number may differ.

    Raises:
        InputError: If there is no caption, one is empty, or one has no reference.
    """
    if not captions or len(captions) != len(references):
        problem = f"there are {len(captions)} for {len(references)} trajectories"
        raise InputError("captions", problem, "give one for each trajectory")
    for number, (caption, told) in enumerate(zip(captions, references, strict=True)):
        if not split_words(caption):
            raise InputError("captions", f"caption {number} is empty", "give it a sentence")
        if not told:
            raise InputError("references", f"caption {number} has none", "choose a split with instructions")
    said = [_tokens(caption) for caption in captions]
    most = max(map(len, references))
    # sacreBLEU wants streams of references: the first of each, the second of each, ...
    streams = [[_tokens(told[place]) if place < len(told) else None for told in references] for place in range(most)]
    bleu, chrf = BLEU(tokenize="none", force=True), CHRF()
    return {
        "BLEU": bleu.corpus_score(said, streams).score,  # type: ignore[arg-type]
        "chrF": chrf.corpus_score(said, streams).score,  # type: ignore[arg-type]
    }


def _tokens(text: str) -> str:
    return " ".join(split_words(text))


def readable(caption: str) -> str:
    """A caption of tokens between blanks as a person would write it: "go left . stop ." is "Go left. Stop."."""
    closed = re.sub(r" ([.,;:!?)])", r"\1", caption)
    closed = re.sub(r" (['\-/]) ", r"\1", closed)
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), closed)
