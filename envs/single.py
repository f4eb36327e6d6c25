"""The single Gymnasium environment: a batch of one."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from envs.arguments import RESET_OPTIONS, check_options, to_array
from envs.environment import METADATA, NavigationVectorEnv, row_of
from vln.errors import InputError


class NavigationEnv(gymnasium.Env):
    """A `NavigationVectorEnv` of one, whose docstring says the rest; an ended episode stays as it is until `reset`."""

    def __init__(self, batch: NavigationVectorEnv) -> None:
        """Wrap a batch of one, which has autoreset DISABLED and gives numpy arrays."""
        self._batch, self.task, self.episodes = batch, batch.task, batch.episodes
        self.action_space: spaces.Discrete = batch.single_action_space
        self.observation_space = batch.single_observation_space
        self.metadata, self.render_mode = dict(METADATA), batch.render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; `options={"episode_index": index}` chooses it."""
        check_options(options or {}, RESET_OPTIONS[:1])
        chosen = {name: np.asarray(value)[None] for name, value in (options or {}).items()}
        observation, infos = self._batch.reset(seed=seed, options=chosen)
        super().reset(seed=seed)
        return row_of(observation, 0), row_of(infos, 0)

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one action."""
        given = to_array(action)
        if given.shape or given.dtype.kind not in "iu" or int(given) not in range(int(self.action_space.n)):
            fix = f"give an integer from 0 to {self.action_space.n - 1}"
            raise InputError(self._batch.name, f"action {action!r} is not in {self.action_space}", fix)
        observation, reward, terminated, truncated, infos = self._batch.step(given[None])
        return row_of(observation, 0), float(reward[0]), bool(terminated[0]), bool(truncated[0]), row_of(infos, 0)

    def render(self) -> np.ndarray | None:
        """A picture, (H, W, 3) uint8; None without a render mode."""
        pictures = self._batch.render()
        return None if pictures is None else pictures[0]

    @property
    def spec(self) -> EnvSpec | None:
        """The specification that it was made of, with its time limit."""
        return self._batch.spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._batch.spec = spec
