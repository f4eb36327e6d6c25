"""Gymnasium environments over any batched simulator: instructions, rewards, success, time limits."""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from envs.processes import check_fork_safety
from envs.simulator import Simulator
from vln.episodes import REAL, Episode, check_instructions
from vln.errors import InputError
from vln.hashing import hash_integers
from vln.language import Vocabulary
from vln.rewards import final_reward, progress_reward
from vln.tasks import CUSTOM, Task
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.source import Source

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
RENDER_MODES = ("rgb_array",)
METADATA = {"render_modes": list(RENDER_MODES), "render_fps": 4}
NO_RENDER_MODE = "render() needs an environment that was made with render_mode='rgb_array'"
OPTIONS = ("episode_index", "reset_mask")  # of a reset
Arrays = dict[str, Any]


class NavigationVectorEnv(VectorEnv):
    """A batch of episodes in a batched simulator, stepped together in one process.

    ## Observation
    What the simulator senses (see its `observation_space`) and `instruction`: token ids, zero-padded, (max_length,).
    If any episode is in an altered environment also `environment`: its number, -1 for the real one.

    ## Actions
    The simulator's; one of them stops. Others than those of the action space are refused before anything has changed.

    ## Rewards
    `vln.rewards`: progress towards the goal at every move, success or failure at the end; 0 where the goal is withheld,
    and where no way leads to it.

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

    What is handed out is the caller's: later steps do not change it, and changing it does not change the episodes.
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
        """Episodes in a simulator.

        Args:
            simulator: Moves the bodies and senses; used by this environment alone.
            episodes: What can be met.
            vocabulary: Turns instructions into tokens.
            num_envs: Episodes at a time (B).
            task: Gives the reward, the success rule and the step limit.
            split: Name of the split that the episodes are of.
            source: Where they come from: what policies are built by (graphs, features, labels).
            max_steps: Actions before truncation, the stop included; those of the task if None.
            max_length: Tokens of an instruction that are kept.
            autoreset_mode: What happens after an episode ended, see the class.
            max_episode_steps: Another limit on `max_steps`, by the name that `gymnasium.make_vec` has for it.
            render_mode: "rgb_array" for pictures; None for none.
            silent: Hide the instructions, for agents that are to be deaf: all read as the empty sentence.
            record: Put poses and choices into the infos.
            tensors: Give torch tensors on the simulator's device instead of numpy arrays.

        Raises:
            InputError: If there are no episodes, one is in an unknown scene or says nothing, or a mode is unknown.
        """
        check_fork_safety()
        self._spec: EnvSpec | None = None
        mode = _autoreset(autoreset_mode)
        if render_mode not in (None, *RENDER_MODES):
            raise InputError("render_mode", f"{render_mode!r} is unknown", f"use {RENDER_MODES[0]!r}, or None")
        if not episodes:
            raise InputError("episodes", "there are none to meet", "choose a split that has some in these buildings")
        self.simulator, self.episodes, self.num_envs = simulator, tuple(episodes), num_envs
        self.split, self.source, self.vocabulary = split, source, vocabulary
        limit = task.max_steps if max_steps is None else max_steps
        self.task, self.max_steps, self.max_length = task, _limit(limit, max_episode_steps), max_length
        self.metadata = {**METADATA, "autoreset_mode": mode}
        self._mode, self.render_mode = mode, render_mode
        self._trails: list[list[Pose]] = [[] for _ in range(num_envs)]
        self._record, self.gives_tensors = record, tensors
        self._silent = silent
        check_instructions(self.episodes)
        instructions = [self.instruction(number) for number in range(len(self.episodes))]
        self._sentences, self._heard = np.array(instructions, dtype=object), np.full(num_envs, "", dtype=object)
        tokens, _ = vocabulary.encode_batch(instructions, max_length)
        self._tokens = torch.zeros(len(tokens), max_length, dtype=torch.int64, device=simulator.device)
        self._tokens[:, : tokens.shape[1]] = torch.as_tensor(tokens)
        instruction = spaces.Box(0, len(vocabulary.symbols) - 1, (max_length,), np.int64)
        self.single_action_space = simulator.action_space
        seen: dict[str, spaces.Space] = {"instruction": instruction}
        altered = torch.tensor([each.environment for each in self.episodes], device=simulator.device)
        self._altered = altered if bool((altered != REAL).any()) else None
        if self._altered is not None:
            seen["environment"] = spaces.Discrete(int(altered.max()) + 1 - REAL, start=REAL)
        self.single_observation_space = spaces.Dict({**simulator.observation_space, **seen})
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._actions = int(simulator.action_space.n)
        simulator.load(self.episodes)
        simulator.resize(num_envs)
        self._episode, self._distance = self._zeros(torch.int64), self._zeros(torch.float32)
        self._steps, self._drawn = self._zeros(torch.int64), self._zeros(torch.int64)
        self._terminated, self._truncated = self._zeros(torch.bool), self._zeros(torch.bool)
        self._seeds: Tensor | None = None

    def instruction(self, episode: int) -> str:
        """What there is to read in an episode, an index into `episodes`."""
        return "" if self._silent else self.episodes[episode].instruction

    def _zeros(self, dtype: torch.dtype) -> Tensor:
        return torch.zeros(self.num_envs, dtype=dtype, device=self.simulator.device)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Arrays, Arrays]:
        """Start episodes.

        Args:
            seed: Of the environments' own choices of episodes; one for all (see the class) or one each.
            options: `reset_mask` (B,) bool restarts only some environments; `episode_index` (B,) says which episodes
                start. Entries of `episode_index` that the mask leaves out are not looked at.

        Raises:
            InputError: If an option is unknown, of another shape, or an index out of range; nothing has changed then.
        """
        options = options or {}
        check_options(options)
        mask = self._mask(options.get("reset_mask"))
        rows = torch.as_tensor(mask.nonzero()[0], device=self.simulator.device)
        given = options.get("episode_index")
        chosen = None if given is None else self._chosen(given, mask)
        self._seed(seed)
        self._start(rows, self._draw(rows) if chosen is None else chosen)
        self._follow()
        return self._observe(), self._infos(success=self._zeros(torch.bool), collided=self._zeros(torch.bool))

    def _mask(self, given: Any) -> np.ndarray:
        """(B,) bool, which environments a reset restarts."""
        mask = np.ones(self.num_envs, bool) if given is None else _array(given)
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            problem = f"'reset_mask' has shape {mask.shape} and type {mask.dtype}"
            raise InputError("reset options", problem, f"give bools of shape ({self.num_envs},)")
        return mask

    def _chosen(self, given: Any, mask: np.ndarray) -> Tensor:
        """(n,) the episodes that start where `mask` (B,) holds."""
        indices = _array(given)
        if indices.shape != (self.num_envs,) or indices.dtype.kind not in "iu":
            problem = f"'episode_index' has shape {indices.shape} and type {indices.dtype}"
            raise InputError("reset options", problem, f"give integers of shape ({self.num_envs},)")
        chosen = indices[mask]
        wrong = (chosen < 0) | (chosen >= len(self.episodes))
        if wrong.any():
            problem = f"'episode_index' is {chosen[wrong][0]}"
            raise InputError("reset options", problem, f"give an index from 0 to {len(self.episodes) - 1}")
        return torch.as_tensor(chosen.astype(np.int64), device=self.simulator.device)

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
        self._heard[rows.numpy(force=True)] = self._sentences[chosen.numpy(force=True)]
        self._steps = self._steps.index_fill(0, rows, 0)
        self._terminated = self._terminated.index_fill(0, rows, False)
        self._truncated = self._truncated.index_fill(0, rows, False)
        self._distance = self.simulator.distance()
        for row in rows.tolist() if self.render_mode else []:
            self._trails[row] = []

    def _follow(self) -> None:
        """Remember where all bodies are, for pictures."""
        for trail, pose in zip(self._trails, self.simulator.poses() if self.render_mode else [], strict=False):
            if not trail or trail[-1] != pose:
                trail.append(pose)

    def step(self, actions: Any) -> tuple[Arrays, Any, Any, Any, Arrays]:
        """Take one action in each environment; see the class for what happens to those that have ended.

        Raises:
            InputError: If an action is not in the action space; nothing has changed then.
        """
        actions = self._checked(actions)
        ended = self._terminated | self._truncated
        alive, before = ~ended, self._distance
        collided = self.simulator.act(actions, alive)
        self._distance = after = self.simulator.distance()
        self._steps = self._steps + alive
        self._terminated = self._terminated | (alive & (actions == self.simulator.stop))
        self._truncated = self._truncated | (~self._terminated & (self._steps >= self.max_steps))
        ending = (self._terminated | self._truncated) & alive
        judged = self.task.success.judge(BodiesNow(self, actions))
        success = self._terminated & torch.as_tensor(judged, device=self.simulator.device)
        config = self.task.reward
        reward = progress_reward(before, after, config) + final_reward(ending, success, config)
        # No goal, no reward; nor where it cannot be reached.
        reward = torch.where(ended | ~after.isfinite(), 0.0, reward)
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

    def _restart(self, ended: Tensor) -> None:
        """Start the next episodes where `ended` (B,)."""
        rows = ended.nonzero().flatten()
        self._start(rows, self._draw(rows))

    def _final(self, ending: Tensor, infos: Arrays) -> Arrays:
        """Return Gymnasium's `final_obs` and `final_info` of episodes that end (B,) and restart at once."""
        mask = ending.numpy(force=True)
        seen, last = self._observe(), np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(mask).tolist():
            last[row] = _row(seen, row)
        final = {**infos, **{f"_{name}": mask.copy() for name in infos}}
        return {"final_obs": last, "_final_obs": mask, "final_info": final, "_final_info": mask.copy()}

    def _checked(self, actions: Any) -> Tensor:
        """(B,) int64 actions, all of them in the action space.

        Raises:
            InputError: If one is not.
        """
        given = _array(actions) if not isinstance(actions, Tensor) else actions
        whole = given.dtype.kind in "iu" if isinstance(given, np.ndarray) else given.dtype in INTEGERS
        if not whole or tuple(given.shape) != (self.num_envs,):
            raise self._refused(_array(given))
        taken = torch.as_tensor(given, device=self.simulator.device).to(torch.int64)
        if bool(((taken < 0) | (taken >= self._actions)).any()):
            raise self._refused(_array(given))
        return taken

    def _refused(self, given: np.ndarray) -> InputError:
        """What is wrong with actions."""
        fix = f"give {self.num_envs} integers from 0 to {self._actions - 1}"
        if given.shape != (self.num_envs,):
            problem = f"actions of shape {given.shape} are not in {self.action_space}"
            return InputError(self._name, problem, fix)
        wrong = [row for row, action in enumerate(given.tolist()) if action not in range(self._actions)]
        row = wrong[0] if wrong else 0
        problem = f"action {given.tolist()[row]!r} of environment {row} is not in {self.single_action_space}"
        return InputError(self._name, problem, fix)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each environment, (H, W, 3) uint8; None without a render mode.

        Raises:
            ResetNeeded: If there has been no reset.
        """
        if self.render_mode is None:
            gymnasium.logger.warn(NO_RENDER_MODE)
            return None
        if not all(self._trails):
            raise ResetNeeded("render() needs a reset() before it")
        return tuple(self.simulator.picture(row, trail) for row, trail in enumerate(self._trails))

    @property
    def spec(self) -> EnvSpec | None:
        """The specification that it was made of, with its time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = _with_limit(spec, self.max_steps)

    @property
    def _name(self) -> str:
        """What errors call it."""
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
        arrays["instruction"] = self._heard.copy()
        if self._record:
            arrays |= {"poses": self.simulator.poses(), "choices": self.simulator.choices()}
        return arrays

    def _out(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._out(each) for name, each in value.items()}
        return value if self.gives_tensors else value.numpy(force=True)


class BodiesNow:
    """The bodies of an environment after an action: a `vln.tasks.success.Moment`."""

    def __init__(self, env: NavigationVectorEnv, actions: Tensor) -> None:
        """The bodies after they took `actions` (B,)."""
        self._env, self._actions = env, actions

    @property
    def distance(self) -> Tensor:
        """(B,) metres to the goal."""
        return self._env._distance

    @property
    def episodes(self) -> list[Episode]:
        """The B episodes."""
        return [self._env.episodes[number] for number in self._env._episode.tolist()]

    @property
    def poses(self) -> list[Pose]:
        """The B poses."""
        return self._env.simulator.poses()

    @property
    def choices(self) -> list[str]:
        """What the actions mean; it holds for bodies that stopped, which are where they were."""
        offered = self._env.simulator.choices()
        return [choices[action] for choices, action in zip(offered, self._actions.tolist(), strict=True)]


class NavigationEnv(gymnasium.Env):
    """A single environment: `NavigationVectorEnv` with a batch of one, whose docstring says everything else.

    An ended episode stays where it is until `reset`.
    """

    def __init__(
        self, simulator: Simulator, episodes: Sequence[Episode], vocabulary: Vocabulary, **options: Any
    ) -> None:
        """The arguments of `NavigationVectorEnv`, but for the batch size and the autoreset mode."""
        fixed = {"autoreset_mode": AutoresetMode.DISABLED, "tensors": False}
        self._hold(NavigationVectorEnv(simulator, episodes, vocabulary, 1, **{**options, **fixed}))

    @classmethod
    def of(cls, batch: NavigationVectorEnv) -> Self:
        """Make one of a batch of one, with autoreset DISABLED and numpy arrays."""
        made = cls.__new__(cls)
        made._hold(batch)
        return made

    def _hold(self, batch: NavigationVectorEnv) -> None:
        self._batch, self.task = batch, batch.task
        self.action_space = self._batch.single_action_space
        self.observation_space = self._batch.single_observation_space
        self.metadata, self.render_mode = dict(METADATA), self._batch.render_mode

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """What can be met."""
        return self._batch.episodes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; `options={"episode_index": index}` chooses it.

        Raises:
            InputError: If the option is unknown or the index out of range; nothing has changed then.
        """
        check_options(options or {}, OPTIONS[:1])
        chosen = {name: np.asarray(value)[None] for name, value in (options or {}).items()}
        observation, infos = self._batch.reset(seed=seed, options=chosen)
        super().reset(seed=seed)
        return _row(observation, 0), _row(infos, 0)

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            InputError: If it is not in the action space; nothing has changed then.
        """
        given = _array(action)
        if given.shape or given.dtype.kind not in "iu" or not 0 <= int(given) < self._batch._actions:
            fix = f"give an integer from 0 to {self._batch._actions - 1}"
            raise InputError(self._batch._name, f"action {action!r} is not in {self.action_space}", fix)
        observation, reward, terminated, truncated, infos = self._batch.step(given[None])
        return _row(observation, 0), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _row(infos, 0)

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


def check_options(options: dict[str, Any], known: Sequence[str] = OPTIONS) -> None:
    """See that all options of a reset are known.

    Raises:
        InputError: If one is not.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError("reset options", f"'{unknown[0]}' is unknown", f"use {' or '.join(map(repr, known))}")


def _autoreset(given: AutoresetMode | str) -> AutoresetMode:
    """The mode of a name, "NextStep", or of itself.

    Raises:
        InputError: If there is none.
    """
    try:
        return AutoresetMode(given)
    except ValueError:
        names = " or ".join(repr(mode.value) for mode in AutoresetMode)
        raise InputError("autoreset_mode", f"{given!r} is unknown", f"use {names}") from None


def _limit(max_steps: int, max_episode_steps: int | None) -> int:
    """The smaller of two limits on the number of actions; None and -1 are none.

    Raises:
        InputError: If one is not above 0.
    """
    given = [max_steps] if max_episode_steps in (None, -1) else [max_steps, max_episode_steps]
    smallest = min(given)
    if smallest < 1:
        raise InputError("max_steps", f"is {smallest}", "give 1 or more actions")
    return smallest


def _with_limit(spec: EnvSpec | None, max_steps: int) -> EnvSpec | None:
    """A specification that tells the time limit."""
    if spec is None:
        return None
    limited = copy(spec)
    limited.max_episode_steps = max_steps
    return limited


def _array(value: Any) -> np.ndarray:
    """Whatever a caller gives as an array in memory."""
    return value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)


def _row(batch: Arrays, row: int) -> dict[str, Any]:
    """What belongs to one environment of a batch."""
    return {name: _row(value, row) if isinstance(value, dict) else value[row] for name, value in batch.items()}
