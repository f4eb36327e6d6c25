"""Gymnasium environments over any batched simulator: instructions, rewards, success, time limits."""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from envs.arguments import check_actions, check_options, episode_indices, find_mode, reset_mask, step_limit
from envs.processes import check_fork_safety
from envs.simulator import Simulator
from envs.states import BatchStates
from vln.episodes import REAL, Episode, check_instructions
from vln.errors import InputError
from vln.hashing import hash_integers
from vln.language import Vocabulary
from vln.tasks import CUSTOM, Task
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.source import Source

RENDER_MODES = ("rgb_array",)
METADATA = {"render_modes": list(RENDER_MODES), "render_fps": 4}
NO_RENDER_MODE = "render() needs an environment that was made with render_mode='rgb_array'"
Arrays = dict[str, Any]


class NavigationVectorEnv(VectorEnv):
    """A batch of episodes in a batched simulator, stepped together in one process.

    ## Observation
    What the simulator senses (see its `observation_space`) and `instruction`: token ids, zero-padded, (max_length,).
    If any episode is in an altered environment also `environment`: its number, -1 for the real one.

    ## Actions
    The simulator's; one of them stops. Actions outside the action space are refused before anything changes.

    ## Rewards
    Those of the task (`vln.tasks.rewards`), mostly progress towards the goal at every move, success or failure at the
    end; 0 where the goal is withheld, and where no way leads to it.

    ## Termination and truncation
    Terminated by the stop action, truncated after `max_steps` actions; never both. `spec.max_episode_steps` tells the
    limit, which is the environment's own: no `gymnasium.wrappers.TimeLimit` is around it.

    ## Autoreset
    `AutoresetMode.NEXT_STEP` or "NextStep" (default): the step after an episode ended ignores its action, gives reward
    0 and the first observation of the next episode; mask that step when learning. `AutoresetMode.SAME_STEP` or
    "SameStep": the step that ends an episode gives the first observation and the infos of the next one, and the infos
    `final_obs`, an array of dicts with None where no episode ended, and `final_info`, a dict of arrays, each with the
    mask of where it counts under its name with "_" before it. `AutoresetMode.DISABLED` or "Disabled": an ended episode
    stays where it is, with reward 0 and `terminated` or `truncated` still set, until
    `reset(options={"reset_mask": mask})`.

    ## Infos
    Arrays over the batch at every reset and step: `episode_index` (into `episodes`), `steps` (actions so far), `expert`
    (action of the shortest-path expert), `distance` (metres to the goal, NaN where withheld, infinite where no way
    leads there), `collided`, `success` (stopped where the task's success rule says so), `instruction` (the sentence, an
    array of str). With `record=True` also lists: `poses` and `choices`. `episode` is left to
    `gymnasium.wrappers.RecordEpisodeStatistics`.

    ## Which episodes
    `reset(options={"episode_index": indices})` chooses them. Otherwise environment i draws them uniformly with the seed
    `seed + i`, so that it meets the same ones as a single environment with that seed.

    ## Pictures
    With `render_mode="rgb_array"`, `render` gives a picture (H, W, 3) uint8 of each environment: the map from above
    with the way so far, the demonstration and the goal, beside what the body sees where there is a camera. They are for
    people: a policy that learns from them sees the goal.

    Returned arrays are copies: later steps do not change them, and changing them does not change the episodes.
    """

    def __init__(
        self,
        simulator: Simulator,
        episodes: Sequence[Episode],
        vocabulary: Vocabulary,
        num_envs: int = 1,
        *,
        task: Task = CUSTOM,
        split: str = "",
        source: "Source | None" = None,
        max_steps: int | None = None,
        max_length: int = 80,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        silent: bool = False,
        record: bool = False,
        tensors: bool = False,
    ) -> None:
        """Create an environment of a simulator that nothing else uses; arguments as of `envs.make.make_env`.

        Resets choose from `episodes`, of `split`; tokens of the instructions, at most `max_length`, are those of
        `vocabulary`. Policies are built from the `source` of the episodes (graphs, features, labels).
        """
        check_fork_safety()
        self._spec: EnvSpec | None = None
        self._mode = find_mode(autoreset_mode)
        if render_mode not in (None, *RENDER_MODES):
            raise InputError("render_mode", f"{render_mode!r} is unknown", f"use {RENDER_MODES[0]!r}, or None")
        if not episodes:
            raise InputError("episodes", "there are none to meet", "choose a split that has some in these buildings")
        self.simulator, self.episodes, self.num_envs = simulator, tuple(episodes), num_envs
        self.split, self.source, self.vocabulary = split, source, vocabulary
        limit = task.max_steps if max_steps is None else max_steps
        self.task, self.max_steps, self.max_length = task, step_limit(limit, max_episode_steps), max_length
        self.metadata, self.render_mode = {**METADATA, "autoreset_mode": self._mode}, render_mode
        self._remembers = bool(render_mode) or task.reward.needs_paths
        self.trails: list[list[Pose]] = [[] for _ in range(num_envs)]
        self._record, self.gives_tensors, self._silent = record, tensors, silent
        check_instructions(self.episodes)
        instructions = [self.instruction(number) for number in range(len(self.episodes))]
        self._sentences, self._instructions = np.array(instructions, dtype=object), np.full(num_envs, "", dtype=object)
        tokens, _ = vocabulary.encode_batch(instructions, max_length)
        self._tokens = torch.zeros(len(tokens), max_length, dtype=torch.int64, device=simulator.device)
        self._tokens[:, : tokens.shape[1]] = torch.as_tensor(tokens)
        instruction = spaces.Box(0, len(vocabulary.symbols) - 1, (max_length,), np.int64)
        self.single_action_space: spaces.Discrete = simulator.action_space
        seen: dict[str, spaces.Space] = {"instruction": instruction}
        altered = torch.tensor([each.environment for each in self.episodes], device=simulator.device)
        self._altered = altered if bool((altered != REAL).any()) else None
        if self._altered is not None:
            seen["environment"] = spaces.Discrete(int(altered.max()) + 1 - REAL, start=REAL)
        self.single_observation_space = spaces.Dict({**simulator.observation_space, **seen})
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        simulator.load(self.episodes)
        simulator.resize(num_envs)
        self._episode, self._distance = self._zeros(torch.int64), self._zeros(torch.float32)
        self._steps, self._drawn = self._zeros(torch.int64), self._zeros(torch.int64)
        self._terminated, self._truncated = self._zeros(torch.bool), self._zeros(torch.bool)
        self._nowhere = self._zeros(torch.bool)
        self._seeds: Tensor | None = None

    def instruction(self, episode: int) -> str:
        """Return the instruction of an episode, an index into `episodes`, as agents read it."""
        return "" if self._silent else self.episodes[episode].instruction

    def _zeros(self, dtype: torch.dtype) -> Tensor:
        return torch.zeros(self.num_envs, dtype=dtype, device=self.simulator.device)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Arrays, Arrays]:
        """Start episodes; nothing has changed if an InputError is raised.

        `seed` is of the environments' own choices of episodes; one for all (see the class) or one each. Of the
        `options`, `reset_mask` (B,) bool restarts only some environments; `episode_index` (B,) says which episodes
        start, and is not looked at where the mask leaves out.
        """
        options = options or {}
        check_options(options)
        mask = reset_mask(options.get("reset_mask"), self.num_envs)
        rows, given = torch.as_tensor(mask.nonzero()[0], device=self.simulator.device), options.get("episode_index")
        chosen = None if given is None else episode_indices(given, mask, len(self.episodes))
        self._seed(seed)
        self._start(rows, self._draw(rows) if chosen is None else torch.as_tensor(chosen, device=rows.device))
        self._follow()
        return self._observe(), self._infos(success=self._zeros(torch.bool), collided=self._zeros(torch.bool))

    def step(self, actions: Any) -> tuple[Arrays, Any, Any, Any, Arrays]:
        """Take one action in each environment; see the class for what happens to those that have ended.

        Nothing has changed if an InputError is raised because an action is not in the action space.
        """
        actions = check_actions(actions, self.action_space, self.single_action_space, self.simulator.device, self.name)
        ended = self._terminated | self._truncated
        alive, nowhere = ~ended, self._nowhere
        before = BatchStates(self, self._distance, nowhere, nowhere, None, self._path_lengths())
        collided = self.simulator.act(actions, alive)
        self._distance = after = self.simulator.distance()
        self._steps = self._steps + alive
        self._terminated = self._terminated | (alive & (actions == self.simulator.stop))
        self._truncated = self._truncated | (~self._terminated & (self._steps >= self.max_steps))
        ending = (self._terminated | self._truncated) & alive
        self._follow()
        success = self._terminated & self._judge(actions, ending)
        # No goal, no reward; nor where it cannot be reached.
        reward = torch.where(ended | ~after.isfinite(), 0.0, self._reward(before, actions, ending, success))
        if self._mode is AutoresetMode.NEXT_STEP and bool(ended.any()):
            self._restart(ended)
            success = success & alive
        ends = self._out(self._terminated.clone()), self._out(self._truncated.clone())
        final: Arrays = {}
        if self._mode is AutoresetMode.SAME_STEP and bool(ending.any()):
            final = self._final(ending, self._infos(success, collided))
            self._restart(ending)
            success, collided = success & ~ending, collided & ~ending
        self._follow()
        return self._observe(), self._out(reward), *ends, {**self._infos(success, collided), **final}

    def _judge(self, actions: Tensor, ending: Tensor) -> Tensor:
        """Return where the success rule holds after the bodies took `actions`, (B,) bool."""
        now = BatchStates(self, self._distance, ending, self._nowhere, actions)
        rule, found = self.task.success, self.task.success.judge(now)
        judged = torch.as_tensor(found, dtype=torch.bool, device=self.simulator.device)
        if judged.shape != actions.shape:
            problem = f"judges {len(actions)} moments with an array of shape {tuple(judged.shape)}"
            raise InputError(f"success rule '{type(rule).__name__}'", problem, "return one boolean a moment")
        return judged

    def _reward(self, before: BatchStates, actions: Tensor, ending: Tensor, success: Tensor) -> Tensor:
        """Return the rewards (B,) of actions."""
        after = BatchStates(self, self._distance, ending, success, actions, self._path_lengths())
        reward = torch.as_tensor(self.task.reward(before, after, self.task), device=self.simulator.device)
        if reward.shape != ending.shape:
            problem = f"gives rewards of shape {tuple(reward.shape)}"
            raise InputError(f"reward '{type(self.task.reward).__name__}'", problem, f"give ({len(ending)},) numbers")
        return reward.to(torch.float32)

    def _path_lengths(self) -> list[int]:
        """Return how many poses of each body are remembered, for rewards; none where nothing needs them."""
        return [len(trail) for trail in self.trails] if self._remembers else []

    @property
    def current_episodes(self) -> list[Episode]:
        """The B episodes that are under way."""
        return [self.episodes[number] for number in self._episode.tolist()]

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        if seed is None and self._seeds is not None:
            return
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        if isinstance(seed, (int, np.integer)):
            self._np_random, self._np_random_seed = gymnasium.utils.seeding.np_random(int(seed))
            seed = range(int(seed), int(seed) + self.num_envs)
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds are given for {self.num_envs} environments")
        seeds = [self.np_random.integers(2**31) if each is None else each for each in seed]
        self._seeds = hash_integers(torch.as_tensor(seeds, device=self.simulator.device))
        self._drawn = self._zeros(torch.int64)

    def _draw(self, rows: Tensor) -> Tensor:
        """The next episode of each row, a function of its own seed and of how many it has drawn."""
        assert self._seeds is not None
        chosen = hash_integers(self._seeds[rows] + self._drawn[rows]) % len(self.episodes)
        self._drawn = self._drawn.index_add(0, rows, torch.ones_like(rows))
        return chosen

    def _start(self, rows: Tensor, chosen: Tensor) -> None:
        self._episode = self._episode.index_copy(0, rows, chosen)
        self.simulator.place(rows, chosen)
        self._instructions[rows.numpy(force=True)] = self._sentences[chosen.numpy(force=True)]
        self._steps = self._steps.index_fill(0, rows, 0)
        self._terminated = self._terminated.index_fill(0, rows, False)
        self._truncated = self._truncated.index_fill(0, rows, False)
        self._distance = self.simulator.distance()
        for row in rows.tolist() if self._remembers else []:
            self.trails[row] = []

    def _follow(self) -> None:
        """Remember where all bodies are, for pictures."""
        for trail, pose in zip(self.trails, self.simulator.poses() if self._remembers else [], strict=False):
            if not trail or trail[-1] != pose:
                trail.append(pose)

    def _restart(self, ended: Tensor) -> None:
        """Start the next episodes where `ended` (B,)."""
        rows = ended.nonzero().flatten()
        self._start(rows, self._draw(rows))

    def _final(self, ending: Tensor, infos: Arrays) -> Arrays:
        """Return Gymnasium's `final_obs` and `final_info` of episodes that end (B,) and restart at once."""
        mask = ending.numpy(force=True)
        seen, last = self._observe(), np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(mask).tolist():
            last[row] = row_of(seen, row)
        final = {**infos, **{f"_{name}": mask.copy() for name in infos}}
        return {"final_obs": last, "_final_obs": mask, "final_info": final, "_final_info": mask.copy()}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each environment, (H, W, 3) uint8; None without a render mode, ResetNeeded before a reset."""
        if self.render_mode is None:
            gymnasium.logger.warn(NO_RENDER_MODE)
            return None
        if not all(self.trails):
            raise ResetNeeded("render() needs a reset() before it")
        return tuple(self.simulator.picture(row, trail) for row, trail in enumerate(self.trails))

    @property
    def spec(self) -> EnvSpec | None:
        """The specification it was made of, with its time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = copy(spec)
        if self._spec is not None:
            self._spec.max_episode_steps = self.max_steps

    @property
    def name(self) -> str:
        """Name in errors."""
        return f"environment '{self._spec.id if self._spec else self.simulator.name}'"

    def _observe(self) -> Arrays:
        observation = {**self.simulator.observe(), "instruction": self._tokens.index_select(0, self._episode)}
        if self._altered is not None:
            observation["environment"] = self._altered[self._episode]
        return {name: self._out(value) for name, value in observation.items()}

    def _infos(self, success: Tensor, collided: Tensor) -> Arrays:
        infos = {
            "episode_index": self._episode.clone(),
            "steps": self._steps.clone(),
            "expert": self.simulator.expert(),
            "distance": self._distance.clone(),
            "collided": collided,
            "success": success,
        }
        arrays: Arrays = {name: self._out(value) for name, value in infos.items()}
        arrays["instruction"] = self._instructions.copy()
        if self._record:
            arrays |= {"poses": self.simulator.poses(), "choices": self.simulator.choices()}
        return arrays

    def _out(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._out(each) for name, each in value.items()}
        return value if self.gives_tensors else value.numpy(force=True)


def row_of(batch: Arrays, row: int) -> dict[str, Any]:
    """Return what belongs to one environment of a batch."""
    return {name: row_of(value, row) if isinstance(value, dict) else value[row] for name, value in batch.items()}
