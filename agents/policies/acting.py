"""A policy as an agent."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from agents.agent import Decision
from agents.policies.policy import Policy
from agents.policies.state import as_tensors, without_privileged
from vln.language import Vocabulary


class PolicyAgent:
    """Acts with a policy, greedily or by sampling."""

    def __init__(
        self,
        policy: Policy,
        vocabulary: Vocabulary,
        name: str = "navigator",
        decoding: Literal["greedy", "sample"] = "greedy",
    ) -> None:
        """An agent around a policy, which is put into evaluation mode for every batch."""
        self.name, self.vocabulary, self.policy = name, vocabulary, policy
        self._decoding = decoding

    def sampling(self) -> "PolicyAgent":
        """Return an agent that samples the actions of the same policy."""
        return PolicyAgent(self.policy, self.vocabulary, self.name, "sample")

    @torch.no_grad()
    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Read the instructions."""
        self.policy.eval()
        self._device = next(self.policy.parameters()).device
        self._random = torch.Generator(self._device).manual_seed(seed)
        self._state = self.policy.initial_state(as_tensors(without_privileged(observation), self._device))

    @torch.no_grad()
    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Take one step of the policy."""
        output = self.policy.step(as_tensors(without_privileged(observation), self._device), self._state)
        probabilities = output.logits.softmax(-1)
        actions = self._choose(probabilities, infos)
        self._state = self.policy.after(output.state, actions)
        attention = (output.attention.get(name) for name in ("words", "views"))
        arrays = (None if array is None else np.asarray(array.cpu()) for array in attention)
        return Decision(np.asarray(actions.cpu()), np.asarray(probabilities.cpu()), *arrays)

    def _choose(self, probabilities: Tensor, infos: dict[str, Any]) -> Tensor:
        """Actions (B,) of distributions (B, A)."""
        if self._decoding == "greedy":
            return probabilities.argmax(-1)
        return torch.multinomial(probabilities, 1, generator=self._random)[:, 0]
