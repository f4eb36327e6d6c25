"""The matching critic (Wang et al. 2019, section 3.3): how well a trajectory fits the instruction that it followed."""

import torch
from torch import Tensor

from agents.learners.recording import Recording
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import recorded_routes


class MatchingCritic:
    """A speaker that has learnt and learns no more: how likely it is to say the instruction of a trajectory."""

    def __init__(self, speaker: Speaker, low_level_actions: int = 0) -> None:
        """A critic of trajectories of so many low-level actions; 0 are panoramic ones."""
        self._speaker, self._low_level_actions = speaker.eval().requires_grad_(False), low_level_actions

    @torch.no_grad()
    def score(self, recording: Recording) -> Tensor:
        """(B,) mean log-probability of the words of the instructions of recorded episodes, which have their frames."""
        device = next(self._speaker.parameters()).device
        routes = recorded_routes(recording, self._low_level_actions).to(device)
        tokens = recording.frames[0]["instruction"].to(device)
        return self._speaker.log_prob(routes, tokens).to(recording.mask.device)
