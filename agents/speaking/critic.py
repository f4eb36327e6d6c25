"""The matching critic (Wang et al. 2019, section 3.3): how well a trajectory fits the instruction that it followed."""

import torch
from torch import Tensor

from agents.learners.recording import Recording
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import recorded_routes


class MatchingCritic:
    """A trained speaker, frozen, that scores trajectories by the likelihood of their instructions."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker.eval().requires_grad_(False)

    @torch.no_grad()
    def score(self, recording: Recording) -> Tensor:
        """(B,) mean log-probability of the words of the instructions of recorded episodes, which have their frames."""
        device = next(self._speaker.parameters()).device
        routes = recorded_routes(recording, self._speaker.low_level_actions).to(device)
        tokens = recording.frames[0]["instruction"].to(device)
        return self._speaker.log_prob(routes, tokens).to(recording.mask.device)
