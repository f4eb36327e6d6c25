"""Pre-training on labels of what a random walker sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from labels import EPISODES, PHASE, VOCABULARY, labelled_navigator
from small_house import small_house
from trainers import setup_of

from agents.learners.label_pretraining import STEPS, STOP, WALKS, LabelPretraining, RandomWalk
from agents.learners.sampler import EpisodeSampler
from agents.policies.navigator import Navigator
from agents.training.optimization import OptimizerStep
from envs.continuous import ACTIONS, HousesSimulator, SceneCache, Sensors
from envs.continuous.scenes import COLOUR_NAMES, ROOM_NAMES
from envs.environment import NavigationVectorEnv
from envs.scene import Room
from vln.errors import InputError


def environment(episodes=EPISODES, **labels: bool) -> NavigationVectorEnv:
    simulator = HousesSimulator(Sensors(32, 32, **labels), scenes=SceneCache(small_house))
    mode = AutoresetMode.DISABLED
    return NavigationVectorEnv(simulator, episodes, VOCABULARY, len(EPISODES), autoreset_mode=mode, tensors=True)


def pretraining(policy: Navigator, env: NavigationVectorEnv, learning_rate: float = 1e-2) -> LabelPretraining:
    sampler = EpisodeSampler(np.ones(len(EPISODES)), len(EPISODES), 0)
    return LabelPretraining(PHASE, setup_of(policy, env, sampler, OptimizerStep(policy, learning_rate, 5.0)))


def update(learner: LabelPretraining, done: int = 0) -> dict[str, torch.Tensor]:
    """The update after `done` others."""
    learner.updates = done
    return learner.update()


def test_names_of_categories_and_colours_are_learnt():
    learner, env = labelled_navigator(), environment(category=True, colour=True)
    walks = pretraining(learner, env, PHASE.learning_rate)
    losses = [float(update(walks, done)["labels"]) for done in range(60)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_acting_is_not_touched_by_it():
    learner = labelled_navigator()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    env = environment(category=True, colour=True)
    numbers = update(pretraining(learner, env))
    changed = {name.split(".")[0] for name, value in learner.state_dict().items() if not value.equal(before[name])}
    assert "views" in changed
    assert changed.isdisjoint({"core", "act", "value", "progress", "read"})
    assert int(numbers["frames"]) == STEPS * len(EPISODES)


def test_a_world_without_labels_is_named():
    learner = labelled_navigator()
    with pytest.raises(InputError, match="learner 'label_pretraining': there are no labelled images"):
        pretraining(learner, environment())


def test_whoever_comes_later_has_seen_the_same():
    """A resumed run walks the walks again that it has not kept."""
    learner, env = labelled_navigator(), environment(category=True, colour=True)
    whole, resumed = (pretraining(learner, env, 0.0) for _ in range(2))
    last = WALKS + 3
    for done in range(last + 1):
        torch.manual_seed(done)
        one = update(whole, done)
    torch.manual_seed(last)
    other = update(resumed, last)
    assert {name: float(value) for name, value in one.items()} == {name: float(value) for name, value in other.items()}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_wanderer_never_stops(share):
    torch.manual_seed(0)
    expert = torch.tensor([STOP, 1, 2, 3] * 50)
    actions = RandomWalk(len(ACTIONS), share)({}, {"expert": expert}, torch.ones(200, dtype=torch.bool))
    assert STOP not in actions
    agree = (actions == expert)[expert != STOP].float().mean()
    assert agree == pytest.approx(share + (1 - share) / 3, abs=0.12)


def together(observations, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A label and the numbers of objects, of the pixels of several observations."""
    return (
        torch.cat([each["privileged"][label] for each in observations]),
        torch.cat([each["semantic"] for each in observations]),
    )


def test_colours_are_those_of_furniture():
    env = environment(category=True, colour=True, semantic=True)
    env.reset(options={"episode_index": np.arange(len(EPISODES))})
    left = torch.full((len(EPISODES),), ACTIONS.index("left"))
    turning = [env.step(left)[0] for _ in range(24)]
    colour, semantic = together(turning, "colour")
    assert (semantic == 1).any()
    assert set(colour[semantic == 1].tolist()) == {COLOUR_NAMES.index("red")}
    assert set(colour[semantic != 1].tolist()) == {0}


def test_the_target_is_what_is_called_so():
    episodes = [replace(each, target="red sofa") for each in EPISODES]
    env = environment(episodes, semantic=True, target=True)
    env.reset(options={"episode_index": np.arange(len(EPISODES))})
    left = torch.full((len(EPISODES),), ACTIONS.index("left"))
    turning = [env.step(left)[0] for _ in range(24)]
    target, semantic = together(turning, "target")
    assert (target == 1).any()
    assert torch.equal(target == 1, semantic == 1)


def test_rooms_are_those_that_things_are_in_and_may_be_the_target():
    scene = replace(small_house("one"), rooms=(Room("kitchen", ((0, 0), (1, 0), (1, 1))),))
    scene = replace(scene, objects=tuple(replace(each, room=0) for each in scene.objects))
    loaded = SceneCache(lambda name: scene).get("one")
    assert {ROOM_NAMES[room] for room in loaded.rooms[1:]} == {"kitchen"}
    assert loaded.rooms[0] == 0
    assert loaded.mask_of("kitchen").tolist() == [0] + [1] * len(scene.objects)
    assert loaded.mask_of("red sofa").tolist() == [0, *(each.category == "sofa" for each in scene.objects)]
    assert not loaded.mask_of("bathroom").any()
    env = environment(room=True, semantic=True)
    observation, _ = env.reset(options={"episode_index": np.arange(len(EPISODES))})
    nowhere = SceneCache(small_house).get("one").rooms
    assert torch.equal(
        observation["privileged"]["room"].long(), torch.from_numpy(nowhere)[observation["semantic"].long()].long()
    )
