"""The navigator as an agent."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from agents.agent import Decision
from agents.policies.navigator import Navigator, as_tensors
from vln.language import Vocabulary


class NavigatorAgent:
    """Acts with a navigator, greedily or by sampling."""

    def __init__(
        self,
        navigator: Navigator,
        vocabulary: Vocabulary,
        name: str = "navigator",
        decoding: Literal["greedy", "sample"] = "greedy",
    ) -> None:
        """An agent around a navigator, which is put into evaluation mode for every batch."""
        self.name, self.vocabulary = name, vocabulary
        self._navigator, self._decoding = navigator, decoding

    @property
    def navigator(self) -> Navigator:
        """The navigator itself."""
        return self._navigator

    def sampling(self) -> "NavigatorAgent":
        """The same navigator, acting by chance."""
        return NavigatorAgent(self._navigator, self.vocabulary, self.name, "sample")

    @torch.no_grad()
    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Read the instructions."""
        self._navigator.eval()
        self._device = next(self._navigator.parameters()).device
        self._random = torch.Generator(self._device).manual_seed(seed)
        tokens = torch.as_tensor(observation["instruction"], device=self._device)
        self._instruction, self._state = self._navigator.begin(tokens)

    @torch.no_grad()
    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """One step of the policy."""
        output = self._navigator(self._instruction, as_tensors(observation, self._device), self._state)
        probabilities = output.logits.softmax(-1)
        actions = self._choose(probabilities, infos)
        self._state = self._navigator.chose(output, actions)
        arrays = (actions, probabilities, output.word_attention, output.view_attention)
        return Decision(*(np.asarray(array.cpu()) for array in arrays))

    def _choose(self, probabilities: Tensor, infos: dict[str, Any]) -> Tensor:
        """Actions (B,) of distributions (B, A)."""
        if self._decoding == "greedy":
            return probabilities.argmax(-1)
        return torch.multinomial(probabilities, 1, generator=self._random)[:, 0]
