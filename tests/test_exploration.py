"""The matching critic as a reward, and self-supervised imitation: what it keeps, what it never looks at, resuming."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, run_script
from hypothesis import given
from hypothesis import strategies as st
from learners import (
    SMALL_NAVIGATOR,
    World,
    episodes,
    exploring,
    small_caption_config,
    small_config,
    small_speaker_world,
    small_world,
)
from trainers import before_update, press_ctrl_c, rows

from agents.config import LossConfig, check_config
from agents.learners import dagger
from agents.learners.dagger import Aggregate, MixedActor, Shard, replay_actor
from agents.learners.episode_learning import intrinsic_reward, targets_of
from agents.learners.recording import Recording, collect, record
from agents.learners.self_imitation import best_of_groups, log_probs, rehearses, select_episodes
from agents.speaking.critic import MatchingCritic
from agents.speaking.runs import check_not_trained_on, open_critic
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import recorded_routes
from agents.training import log
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.trainer import Trainer
from envs.make import open_task
from vln.episodes import Episode
from vln.errors import InputError, WriteError

SPLIT = "val_unseen"
# Two rounds of two batches of two instructions, four trajectories each; one round is remembered.
CONFIG = small_config(
    policy=replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3),
    imitation=episodes(2, 1e-2, 0.5),
    self_imitation=exploring(
        6,
        1e-2,
        loss=LossConfig(teacher=0.0),
        split=SPLIT,
        rounds=2,
        episodes=4,
        samples=4,
        keep=1,
        rehearsal_fraction=0.34,
    ),
    select="latest",
    evaluate_every=4,
)


@pytest.fixture(scope="module")
def world(small_data) -> World:
    return small_world(small_data, CONFIG)


@pytest.fixture(scope="module")
def speaker(small_data) -> Speaker:
    torch.manual_seed(1)
    return small_speaker_world(small_data, small_caption_config()).speaker()


def fresh(world: World, folder: Path, speaker: Speaker) -> Trainer:
    torch.manual_seed(world.config.seed)
    return build_trainer(world.config, world.data, folder, "cpu", ("val_unseen",), speaker)


@torch.no_grad()
def lived(world: World, episodes: np.ndarray, seed: int = 0) -> tuple[Recording, object]:
    """What a fresh navigator does."""
    torch.manual_seed(seed)
    navigator = world.navigator()
    env = world.environment("train", len(episodes))
    nobody = torch.zeros(len(episodes))
    return record(env, episodes, MixedActor(navigator, nobody), 1 - nobody), navigator


# --- the critic's reward ---


def test_the_critic_scores_what_the_speaker_says_of_the_route(world, speaker):
    recording, _ = lived(world, np.arange(6))
    scores = MatchingCritic(speaker).score(recording)
    routes = recorded_routes(recording)
    for row in range(6):
        tokens = recording.frames[0]["instruction"][[row]]
        alone = speaker.log_prob(routes.rows(torch.tensor([row])), tokens)
        torch.testing.assert_close(scores[[row]], alone)


def test_the_intrinsic_reward_is_added_to_the_return_of_each_live_step(world, speaker):
    recording, _ = lived(world, np.arange(6))
    critic, weights = MatchingCritic(speaker), LossConfig(discount=0.9, intrinsic=2.0)
    student = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    recording = replace(recording, student=student)
    bonus = intrinsic_reward(recording, 2.0, critic)
    fit = critic.score(recording)
    torch.testing.assert_close(bonus, 2 * (fit - fit[student > 0].mean()))
    returns = targets_of(recording, weights, bonus).returns
    for body in range(6):
        length = int(recording.mask[:, body].sum())
        for step in range(length):
            extrinsic = sum(0.9**k * float(recording.reward[step + k, body]) for k in range(length - step))
            assert float(returns[step, body]) == pytest.approx(extrinsic + float(bonus[body]), abs=1e-4)
    assert not returns[recording.mask == 0].any()
    assert intrinsic_reward(recording, 0.0, critic) is None
    assert intrinsic_reward(recording, 2.0, None) is None


def test_what_is_collected_with_gradients_has_the_frames_of_a_recording(world):
    torch.manual_seed(0)
    navigator = world.navigator().eval()
    env, episodes = world.environment("train", 5), np.arange(5)
    with torch.no_grad():
        experience = collect(navigator, env, episodes, torch.ones(5, dtype=torch.bool), keep_frames=True)
    again = record(env, episodes, replay_actor(experience.actions), torch.ones(5))
    assert torch.equal(experience.mask, again.mask)
    for one, other in zip(experience.frames, again.frames, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in other)


# --- exploring ---


@given(st.lists(st.lists(st.floats(-5, 0), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_best_of_each_group_is_chosen(groups):
    fit = torch.tensor(groups)
    rows = best_of_groups(fit)
    assert (rows // 3).tolist() == list(range(len(groups)))
    assert torch.equal(fit.flatten()[rows], fit.max(1).values)


def test_own_log_probabilities_are_those_of_the_actions(world):
    recording, navigator = lived(world, np.arange(4))
    found = log_probs(navigator, recording)
    with torch.no_grad():
        navigator.eval()
        env = world.environment("train", 4)
        follower = replay_actor(recording.actions)
        observation, infos = env.reset(options={"episode_index": np.arange(4)})
        state = navigator.initial_state(observation)
        expected = torch.zeros(4)
        for step in range(len(recording.actions)):
            output = navigator.step(observation, state)
            actions = follower(observation, infos, recording.mask[step] > 0)
            said = output.logits.log_softmax(1).gather(1, actions[:, None])[:, 0]
            expected += torch.where(recording.mask[step] > 0, said, 0.0)
            state = navigator.after(output.state, actions)
            observation, _, _, _, infos = env.step(actions)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_rows_of_what_happened(world):
    recording, _ = lived(world, np.arange(6))
    part = select_episodes(recording, torch.tensor([4, 1]))
    assert torch.equal(part.actions, recording.actions[:, [4, 1]])
    assert torch.equal(part.success, recording.success[[4, 1]])


class Shortest:
    """A critic that likes short ways."""

    def score(self, recording: Recording) -> torch.Tensor:
        return -recording.mask.sum(0)


def test_what_the_critic_likes_best_is_kept_and_imitated(world, speaker, tmp_path):
    trainer = fresh(world, tmp_path, speaker)
    trainer.iteration = 2  # the first update of the phase
    exploration = trainer.learner
    exploration._critic = Shortest()
    lives = []
    score = exploration._critic.score
    exploration._critic.score = lambda recording: lives.append(recording) or score(recording)
    steps = exploration.collect()
    (recording,) = lives
    assert steps == int(recording.mask.sum())
    (kept,) = exploration.data.shards
    stopped = recording.actions.gather(0, recording.mask.sum(0).long()[None] - 1)[0] == 0
    lengths = torch.where(stopped, recording.mask.sum(0), 100).view(2, 4)
    expected = lengths.min(1).values.clamp(max=CONFIG.task.max_steps)
    assert kept.lengths.tolist() == expected.long().tolist()
    assert np.array_equal(kept.actions, kept.expert)
    episodes = kept.episodes.astype(np.int64)
    greedy = record(
        exploration.env,
        np.repeat(episodes, 4),
        MixedActor(trainer.policy, torch.zeros(8), greedy=torch.ones(8, dtype=torch.bool)),
        torch.ones(8),
    )
    for first in (0, 4):  # the first try of each instruction takes the likeliest actions
        assert torch.equal(recording.actions[:1, first], greedy.actions[:1, first])
        length = int(greedy.mask[:, first].sum())
        assert int(recording.mask[:, first].sum()) == length
        assert torch.equal(recording.actions[:length, first], greedy.actions[:length, first])
    exploration.collect()
    recalled = exploration.replay()
    assert torch.equal(recalled.actions[recalled.mask > 0], recalled.expert[recalled.mask > 0])


def test_rehearsals_are_evenly_spread():
    assert [rehearses(done, 0.5) for done in range(4)] == [False, True, False, True]
    assert not any(rehearses(done, 0.0) for done in range(9))
    assert all(rehearses(done, 1.0) for done in range(9))
    assert sum(rehearses(done, 0.3) for done in range(100)) == 30


def test_exploring_never_sees_where_an_episode_leads(world, speaker, tmp_path):
    """What is learnt is the same where the data set does not tell goals and paths at all."""
    hidden = [each.without_goal() for each in world.splits[SPLIT]]
    weights = []
    for name, known in (("told", world), ("withheld", world.only(SPLIT, hidden))):
        trainer = fresh(known, tmp_path / name, speaker)
        trainer.train()
        weights.append(load_checkpoint(tmp_path / name / LATEST).part("model"))
    told, withheld = weights
    assert all(torch.equal(value, withheld[name]) for name, value in told.items())
    assert not any(row["group"] == SPLIT for row in rows(tmp_path / "withheld"))


def test_an_episode_without_goal_tells_nothing():
    episode = Episode("1_0", "house", "train", "Go.", ("a", "b"), 0.5, positions=((0, 0, 0), (1, 0, 0)), target="bed")
    hidden = episode.without_goal()
    assert hidden.withheld
    assert (hidden.path, hidden.positions, hidden.target) == (("a",), ((0, 0, 0),), "")
    assert (hidden.instruction, hidden.heading, hidden.scan) == (episode.instruction, episode.heading, episode.scan)


# --- resuming, room ---


def test_an_interrupted_exploration_ends_bit_for_bit_like_the_uninterrupted_one(world, speaker, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 3)
    fresh(world, tmp_path / "whole", speaker).train()
    folder = tmp_path / "parts"
    for stop in (3, 6, None):  # in the first round, in the second one
        trainer = fresh(world, folder, speaker)
        if stop != 3:
            trainer.resume(load_checkpoint(folder / LATEST))
        if stop:
            before_update(trainer, stop, press_ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                trainer.train()
        else:
            trainer.train()
    one, other = (load_checkpoint(each / LATEST) for each in (tmp_path / "whole", folder))
    for part in ("model", "average", "optimizer", "random"):
        expected, found = one.part(part), other.part(part)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert rows(tmp_path / "whole") == rows(folder)


def shard(*lengths: int) -> Shard:
    steps = np.zeros(sum(lengths), dtype=np.uint8)
    return Shard(np.arange(len(lengths), dtype=np.int32), np.array(lengths, dtype=np.int32), steps, steps)


def test_the_oldest_batches_are_forgotten(tmp_path):
    data = Aggregate(tmp_path, keep=2)
    for length in (1, 2, 3):
        data.add(shard(length))
    assert data.lengths.tolist() == [2, 3]
    assert len(list(tmp_path.iterdir())) == 3  # an earlier checkpoint may want them
    data.forget()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000001.safetensors", "000002.safetensors"]
    again = Aggregate(tmp_path, keep=2)
    again.restore(3)
    assert again.lengths.tolist() == [2, 3]
    assert again.added == 3


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    data = Aggregate(tmp_path)
    data.add(shard(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dagger, "save_file", full)
    with pytest.raises(WriteError, match=r"000001.safetensors: cannot be written .No space left.*make room"):
        data.add(shard(2))
    assert data.added == 1
    assert [file.name for file in tmp_path.iterdir()] == ["000000.safetensors"]


# --- bad input ---


def test_a_critic_must_be_wanted_and_there(world, tmp_path):
    with pytest.raises(InputError, match=r"--self-imitation.iterations: a matching critic is needed; pass --critic"):
        open_critic(None, world.config, world.data, open_task, None, "cpu")
    idle = small_config()
    assert open_critic(None, idle, world.data, open_task, None, "cpu") is None
    with pytest.raises(InputError, match="--critic: no phase asks anything of it"):
        open_critic(tmp_path, idle, world.data, open_task, None, "cpu")


def test_a_critic_that_has_heard_what_is_explored_is_refused(world, tmp_path):
    learnt = world.splits["train"]
    with pytest.raises(InputError, match=rf"has learnt from {len(learnt)} of the episodes .* {learnt[0].episode_id}"):
        check_not_trained_on(tmp_path, learnt, sorted(learnt, key=lambda each: each.episode_id))
    check_not_trained_on(tmp_path, learnt, world.splits[SPLIT])


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"self_imitation": exploring(1, 1e-3, samples=9), "select": "latest"}, "--self-imitation.samples"),
        ({"self_imitation": exploring(1, 1e-3, split=SPLIT)}, "--select"),
        ({"self_imitation": exploring(1, 1e-3, rehearsal_fraction=1.5)}, "--self-imitation.rehearsal-fraction"),
    ],
)
def test_bad_configurations_are_named(changes, flag):
    with pytest.raises(InputError, match=flag):
        check_config(small_config(**changes))


def test_speaker_and_navigator_through_the_command_line(small_data, tmp_path):
    """A speaker learns, then a navigator learns from it in a split whose goals the data do not tell."""
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    file = data / "r2r" / f"R2R_{SPLIT}.json"
    entries = [{**entry, "path": entry["path"][:1]} for entry in json.loads(file.read_text())]
    file.write_text(json.dumps(entries))
    cache = data / "cache"
    tiny = ["--speaker.hidden", 16, "--speaker.view", 12, "--iterations", 2]
    told = run_script(
        *("train_speaker.py", "r2r-speaker", "--out", tmp_path / "speaker", "--data", small_data, "--threads", 1),
        *(*tiny, "--evaluate-every", 2),
        cache=cache,
    )
    assert told.code == 0, told.errors
    command = [
        *("train.py", "r2r-navigator", "--out", tmp_path / "run", "--data", data, *SMALL),
        *("--critic", tmp_path / "speaker", "--phase", "exploring=self_imitation", "--select", "latest"),
        *("--exploring.iterations", 2, "--exploring.rounds", 1, "--exploring.episodes", 4, "--exploring.samples", 2),
        *("--reinforcement.iterations", 1, "--reinforcement.loss.intrinsic", 1.0),
    ]
    result = run_script(*command, cache=cache)
    assert result.code == 0, result.errors
    again = run_script(*command, "--resume", cache=cache)
    assert again.code == 0, again.errors
    refused = run_script(*command[:3], tmp_path / "other", *command[4:], "--exploring.split", "train", cache=cache)
    assert refused.code == 2
