"""Policies of stable-baselines3 and sb3-contrib as agents."""

from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import Agent, Decision
from vln.errors import InputError
from vln.registry import imported

FIX = "install the package 'sb3-contrib', which brings stable-baselines3 along"


class StableBaselinesAgent(Agent):
    """A policy that stable-baselines3 or sb3-contrib trained in an environment of ours.

    `python scripts/evaluate.py --agent stable-baselines --agent-options path=ppo.zip --task houses-short-fine`
    """

    name = "stable-baselines"
    vocabulary = None

    def __init__(
        self,
        env: Any,
        path: str,  # the zip that `model.save` wrote
        algorithm: str = "sb3_contrib:RecurrentPPO",  # its class, e.g. `stable_baselines3:PPO`
        sample: bool = False,  # actions, instead of taking the most probable ones
        device: str = "cpu",
    ) -> None:
        if not Path(path).is_file():
            raise InputError(path, "there is no such file", "give the zip that model.save wrote")
        try:
            self._model = imported("algorithm", algorithm).load(path, device=device)
        except InputError as error:
            source, problem, _ = error.args
            raise InputError(source, problem, FIX) from None
        except Exception as error:
            problem = f"is no policy of '{algorithm}' ({type(error).__name__}: {error})"
            raise InputError(path, problem, "give the algorithm that saved it") from error
        self.action_space = self._model.action_space
        wanted = getattr(self._model.observation_space, "spaces", {})
        offered = env.single_observation_space.spaces
        for name, space in wanted.items():
            if name not in offered or offered[name].shape != space.shape:
                have = offered[name].shape if name in offered else "none"
                problem = f"observation '{name}' has shape {space.shape}, the environment's {have}"
                raise InputError(path, problem, "evaluate on the task that it was trained in, with the same sizes")
        self._names, self._deterministic = tuple(wanted), not sample

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Forget the episodes before."""
        self._state: Any = None
        self._starts = np.ones(len(next(iter(observation.values()))), dtype=bool)
        self._model.set_random_seed(seed)

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Let the policy predict actions."""
        seen = {name: observation[name] for name in self._names}
        actions, self._state = self._model.predict(
            seen, state=self._state, episode_start=self._starts, deterministic=self._deterministic
        )
        self._starts = np.zeros_like(self._starts)
        return Decision(actions.astype(np.int64))
