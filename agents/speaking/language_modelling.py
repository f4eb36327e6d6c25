"""Learning a language model by truncated backpropagation through time, with samples at several points of the way."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from agents.speaking.decoder import State
from agents.speaking.language_model import LanguageModel, LanguageModelConfig
from agents.speaking.windows import TextWindows, Window, all_windows
from agents.training.base import RunRecord
from agents.training.log import Scores
from agents.training.supervised import SupervisedTrainer
from vln.language import PAD
from vln.spelling import Text

POINTS = 4  # of the way at which samples are taken: "at first", "train more", "train more", "train more"
APART = 4  # how many times as long the training is at each point as at the one before
READERS, LENGTH = 128, 256  # of a text that is measured
SAMPLE = "sample"  # group of the log


class LanguageTrainer(SupervisedTrainer):
    """A run of a language model; the bits per character of what is held out are what is to fall."""

    stage = "learning to write"

    def __init__(
        self,
        config: LanguageModelConfig,
        model: LanguageModel,
        windows: TextWindows,
        held_out: Mapping[str, Text],
        write: Callable[[LanguageModel], str],
        record: RunRecord,
    ) -> None:
        """Measure by the texts `held_out`, the last of which selects; `write` samples a text from a model."""
        super().__init__(config, model, self._measure, record)
        self.model, self.windows, self.held_out, self.write = model, windows, held_out, write
        self.carried = model.begin(windows.readers)

    def headline(self, row: Mapping[str, float]) -> str:
        """Bits of a text."""
        return f"{row['bits']:.3f} bits a character"

    def quality(self, scores: Scores) -> float:
        """Bits saved a character of the last text."""
        return -list(scores.values())[-1]["bits"]

    @property
    def points(self) -> list[int]:
        """After how many updates samples are taken, the last at the end."""
        return [self.iterations // APART**power for power in reversed(range(POINTS))]

    @property
    def due(self) -> bool:
        """Whether the time has come to evaluate, for the sake of a sample if for no other."""
        return super().due or self.iteration in self.points

    def learn(self) -> dict[str, float]:
        """Take a step along the mean loss of the symbols of a window."""
        window = self.windows.window(self.iteration)
        self.model.train()
        state = self.model.begin(self.windows.readers) if window.first else self.carried
        losses, state = nats(self.model, window, state)
        self.carried = tuple(part.detach() for part in state)
        return self.descend(losses.mean(), losses.numel())

    def _measure(self) -> Scores:
        if self.iteration in self.points:
            self.log.text(self, SAMPLE, self.write(self.model.eval()))
        return {name: {"bits": bits_per_character(self.model, text)} for name, text in self.held_out.items()}

    def parts(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors of a checkpoint, by part, with the state that is carried on."""
        return {**super().parts(), "learner": {str(number): part for number, part in enumerate(self.carried)}}

    def resume_learner(self, saved: Mapping[str, Tensor]) -> None:
        """Take over the state that was carried on."""
        self.carried = tuple(saved[name].to(self.device) for name in sorted(saved))


def nats(model: LanguageModel, window: Window, state: State) -> tuple[Tensor, State]:
    """Minus the log-probabilities (B, L) of what was to be expected, zero at the padding, and the state at the end."""
    device = model.output_bias.device
    log_probs, state = model(window.inputs.to(device), state)
    losses = F.nll_loss(log_probs.transpose(1, 2), window.targets.to(device), reduction="none", ignore_index=PAD)
    return losses, state


@torch.no_grad()
def bits_per_character(model: LanguageModel, text: Text) -> float:
    """What a text costs by a model, in evaluation mode."""
    model.eval()
    readers = max(1, min(READERS, len(text.symbols) // LENGTH))
    state, total = model.begin(readers), 0.0
    for window in all_windows(text.symbols, readers, LENGTH):
        losses, state = nats(model, window, state)
        total += float(losses.sum())
    return text.bits_per_character(total)
