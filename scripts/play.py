"""Walk through a house by keyboard, following an instruction, or watch a trained agent follow yours.

    python scripts/play.py                                          # a house and an instruction at random
    python scripts/play.py --instruction "Walk to the red sofa."    # a trained agent follows it, in an unseen house
    python scripts/play.py --house 123
    python scripts/play.py --dataset houses-short --split val_unseen --episode 800000-0_0
    python scripts/play.py --scene my.glb --start 1 0 -2 --heading 90
    python scripts/play.py --scene my.glb --agent runs/houses-demo --instruction "leave the bedroom" --out try.jsonl
    python scripts/play.py --house 123 --agent my_agents:Explorer --instruction "Go to the red sofa."
    python scripts/replay.py try.jsonl --out figures                # draws what --out has kept

Keys: w or up forward, a and d or left and right turn, space or enter stop, h distance to the goal, m map, n next
episode, q quit.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import dataclasses
import itertools
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from agents.agent import Agent
from agents.box import DEFAULT as BOX
from agents.evaluation import rollout
from agents.own import data_options_of, is_own, make_agent, read_options
from agents.playing import EpisodeLeft, Player, WatchedAgent, wait_for_key
from agents.runs import load_run
from envs.continuous import Sensors
from envs.environment import NavigationVectorEnv
from envs.houses.tasks import LEVELS
from envs.make import TaskData, make_env, open_task
from envs.playing.challenges import ROAM, Places, PlayRequest, challenges
from envs.playing.screen import Screen, view_camera
from vln.cli import command
from vln.console import Console, tell
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import writable_folder
from vln.keyboard import Keys, Script, keyboard
from vln.language import Vocabulary, check_readable, unknown_words
from vln.replay.outcome import COLOURS, SIGNS, WORDS
from vln.replay.scores import episode_scores
from vln.replay.style import distance_text
from vln.tasks import Task, find_task
from vln.trajectory import Trajectory, read_trajectories, write_trajectories

AGENT = dataclasses.replace(find_task("houses-short-fine"), name="play", dataset="play")
PERSON = dataclasses.replace(AGENT, max_steps=2000)
Open = Callable[[Episode], tuple[Agent, NavigationVectorEnv]]
"""Opens an agent and its environment for an episode."""


def main(
    house: int | None = None,
    scene: Path | None = None,
    up: str | None = None,
    scale: float | None = None,
    dataset: str = "houses-short",
    split: str | None = None,
    episode: str | None = None,
    start: tuple[float, float, float] | None = None,
    heading: float = 0.0,
    instruction: str | None = None,
    agent: str | None = None,
    agent_options: tuple[str, ...] = (),
    size: int | None = None,
    keys: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
) -> None:
    """Walk through a house by keyboard, or watch a trained agent.

    Args:
        house: Number of a generated house, 0 to 999999; one at random if absent.
        scene: A GLB or glTF file instead.
        up: Axis of the file that points up; as its stage_config says if absent.
        scale: Metres per unit of the file; as its stage_config says if absent.
        dataset: How far the goals of episodes are: houses-short, houses or houses-long.
        split: Take episodes from this split of the data set.
        episode: Id of an episode of the split, val_unseen if no split is given.
        start: Where to start, x y z in metres, with y up; somewhere if absent.
        heading: Where to look at a start of your own, degrees to the left of -z.
        instruction: What to do. The goal is the thing that it names last; a trained agent acts unless there are --keys.
        agent: Folder of a training run whose agent acts instead of you; or `box:houses-demo`, which comes with the
            package, a registered agent, or `module:Class`.
        agent_options: Options of an agent that needs no run, as key=value.
        size: Pixels across of the view; as many as fit if absent.
        keys: Keys to press instead of reading the keyboard, such as "wwad ".
        seed: Of everything that is at random.
        out: File (.jsonl) to keep the trajectories in, for replay.py; after those it holds already.
    """
    if agent is None and instruction is not None and keys is None and split is None and episode is None:
        agent = BOX
        tell(f"the agent that comes with the package acts, {BOX}; --keys or no --instruction lets you walk")
    request = PlayRequest(house, scene, dataset, split, episode, start, heading, instruction)
    rng, console, places = random.Random(seed), Console(), Places(up, scale)
    camera = view_camera(console, size, Sensors())
    kept = [] if out is None else kept_before(out)
    opened = None if agent is None else open_agent(agent, read_options(agent_options), places)
    trajectories: list[Trajectory] = []
    with open_keys(keys, wanted=agent is None) as pressed:
        for met in challenges(request, places, rng):
            if instruction is not None and met.target:
                tell(f"{met.scan}: the goal is the {met.target}, within {LEVELS[dataset].longest:g} m of the start")
            with Screen(console, met, places.plan(met.scan), places.cache.get(met.scan), camera) as screen:
                key, trajectory = watch(opened, met, screen) if opened else walk(pressed, met, places, screen)
            if trajectory is not None:
                trajectories.append(trajectory)
                console.print(result(trajectory))
                key = "q" if opened else wait_for_key(pressed, console, ("n", "q"))
            if key == "q":
                break
    if out is not None and trajectories:
        write_trajectories(out, with_ids_of_their_own([*kept, *trajectories]))
        console.print(f"wrote {out}", highlight=False, soft_wrap=True)


def kept_before(out: Path) -> list[Trajectory]:
    """The trajectories a file holds already."""
    writable_folder(out.parent)
    return read_trajectories(out) if out.exists() else []


def with_ids_of_their_own(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The trajectories; an id that occurs again gets a number, so that no figure overwrites another."""
    kept: dict[str, Trajectory] = {}
    for trajectory in trajectories:
        numbers = itertools.count(2)
        name = trajectory.episode_id
        while name in kept:
            name = f"{trajectory.episode_id}-{next(numbers)}"
        kept[name] = dataclasses.replace(trajectory, episode_id=name)
    return list(kept.values())


def open_keys(keys: str | None, wanted: bool) -> AbstractContextManager[Keys]:
    """The keys given, or those of a person where they are wanted."""
    return nullcontext(Script(keys or "")) if keys is not None or not wanted else keyboard()


def open_agent(name: str, options: Mapping[str, Any], places: Places) -> Open:
    """Return what opens an agent that is to see other places: that of a run, or one that needs no run."""
    if is_own(name):
        return partial(open_own_agent, name, options, places)
    run = Path(name)
    found = load_run(name)
    if found.task.scenes != "houses":
        problem = f"its agent learnt '{found.task.name}', which is not in houses"
        raise InputError(run, problem, "give a run on houses; replay.py shows what agents did elsewhere")
    data = open_task(found.task, [], "embedded", scene_cache=places.cache, **found.options)
    agent = found.agent(data)
    agent.name = found.folder.resolve().name

    def opened(episode: Episode) -> tuple[Agent, NavigationVectorEnv]:
        check_readable(episode.instruction, data.vocabulary, "--instruction")
        unknown = unknown_words(episode.instruction, data.vocabulary)
        if unknown:
            print(f"words that the agent does not know: {', '.join(unknown)}", file=sys.stderr)
        return agent, make_env(data.only(episode.split, [episode]), episode.split, record=True)

    return opened


def open_own_agent(
    name: str, options: Mapping[str, Any], places: Places, episode: Episode
) -> tuple[Agent, NavigationVectorEnv]:
    """Open an agent that needs no run; it reads by the words of the instruction."""
    data = open_episode(AGENT, episode, places, **data_options_of(name))
    return make_agent(name, data, episode.split, options, num_envs=1)


def open_episode(task: Task, episode: Episode, places: Places, **options: Any) -> TaskData:
    """Open the data of one episode, whose words are the vocabulary."""
    vocabulary, length = Vocabulary.build([episode.instruction], 1), len(episode.instruction.split()) + 1
    given = {"vocabulary": vocabulary, "max_length": length, "scene_cache": places.cache, **options}
    return open_task(task, [], **given).only(episode.split, [episode])


def watch(opened: Open, episode: Episode, screen: Screen) -> tuple[str, Trajectory]:
    """Show how an agent follows the instruction of an episode."""
    if episode.instruction == ROAM:
        raise InputError("--instruction", "the agent is told nothing", "give a sentence that it is to follow")
    agent, env = opened(episode)
    return "q", rollout(WatchedAgent(agent, agent.name, screen), env, attention=True)[0]


def walk(keys: Keys, episode: Episode, places: Places, screen: Screen) -> tuple[str, Trajectory | None]:
    """Let a person walk through an episode; returns the key with which it was left, if it was."""
    # What a person sees is drawn by the screen, so that it can be larger than what agents see.
    env = make_env(open_episode(PERSON, episode, places), episode.split, record=True, blind=True)
    try:
        return "", rollout(Player(keys, screen), env)[0]
    except EpisodeLeft as left:
        return left.key, None


def result(trajectory: Trajectory) -> Text:
    """How an episode went, in a sentence."""
    scores = episode_scores([trajectory])[0]
    steps = f"{len(trajectory.steps)} steps"
    end = "stopped" if trajectory.stopped else "ran out of time"
    if scores is None:
        return Text(f"{end} after {steps}; there is no goal to measure by")
    succeeded = bool(scores["SR"])
    place = distance_text(scores["NE"], " from the goal") + (f" ({trajectory.target})" if trajectory.target else "")
    outcome = f"{end} {place} after {steps} and {scores['TL']:.1f} m, SPL {scores['SPL']:.2f}"
    return Text.assemble((f"{SIGNS[succeeded]} {WORDS[succeeded]}", f"bold {COLOURS[succeeded]}"), f": {outcome}")


if __name__ == "__main__":
    command(main)
