"""Policies and learners of one's own, from a module outside the checkout: trained, resumed bit for bit, evaluated."""

import sys

import pytest
import torch
from learners import (
    dagger,
    episodes,
    exploring,
    ppo,
    small_caption_config,
    small_config,
    small_speaker_world,
    small_world,
)
from trainers import before_update, fresh, press_ctrl_c, same_weights

from agents.config import LossConfig, PhaseConfig
from agents.learners.learner import Setup, make_learner
from agents.policies.state import check_state, concatenate, named_tensors, rows, scatter, with_named_tensors
from agents.policies.transformer import TransformerConfig
from agents.training import log
from agents.training.checkpoint import LATEST, load_checkpoint
from vln.errors import InputError
from vln.registry import imported

MODULE = '''
"""A policy and a learner of one's own."""

from dataclasses import dataclass

import torch
from torch import nn

from agents.config import PolicyConfig
from agents.learners.episode_learning import EpisodeConfig, EpisodeLearner
from agents.policies.policy import Policy, PolicyOutput
from agents.registry import LEARNERS


@dataclass(frozen=True)
class TinyConfig(PolicyConfig):
    """A GRU that reads the mean of the words."""

    hidden: int = 16
    """Width of the state."""

    def build(self, config, env):
        return Tiny(self.hidden, len(env.vocabulary.symbols))


class Tiny(Policy):
    """Scores candidates by where they are."""

    def __init__(self, hidden: int, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, hidden, padding_idx=0)
        self.cell = nn.GRUCell(4, hidden)
        self.score = nn.Linear(hidden, 4)
        self.value = nn.Linear(hidden, 1)
        self.drop = nn.Dropout(0.2)

    def initial_state(self, observation):
        words = self.words(observation["instruction"])
        return {"hidden": words.mean(1), "seen": (words.new_zeros(len(words), 4),)}

    def step(self, observation, state):
        hidden = self.cell(state["seen"][0], self.drop(state["hidden"]))
        heading = observation["candidate_heading"]
        places = torch.stack(
            [heading.sin(), heading.cos(), observation["candidate_elevation"], observation["candidate_distance"]], -1
        )
        scores = (places * self.score(hidden)[:, None]).sum(-1)
        logits = scores.masked_fill(observation["candidate_mask"] <= 0, -torch.inf)
        return PolicyOutput(logits, self.value(hidden)[:, 0], {"hidden": hidden, "seen": (places,)})

    def after(self, state, actions):
        places = state["seen"][0]
        return {**state, "seen": (places[torch.arange(len(actions)), actions],)}


@dataclass(frozen=True)
class HalfConfig(EpisodeConfig):
    """Student forcing in half of the episodes."""

    learner: str = "half"
    expert_fraction: float = 0.5


@LEARNERS.register("half")
class Half(EpisodeLearner):
    """Student forcing under a name of its own."""

    config_type = HalfConfig
'''


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The module, on the path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_parts.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield imported("module", "own_parts:TinyConfig")
    sys.path.remove(str(folder))


RUNS = {
    "behaviour cloning": {"imitation": episodes(4, 1e-2, 1.0)},
    "student forcing": {"imitation": episodes(4, 1e-2, 0.25)},
    "student forcing, truncated": {"imitation": episodes(4, 1e-2, 0.25, truncate=2)},
    "A2C": {"reinforcement": episodes(4, 1e-2, 0.25, LossConfig(student=0.0, policy=1.0))},
    "DAgger": {"imitation": dagger(4, 1e-2, truncate=2, rounds=2, episodes=8)},
    "PPO": {"reinforcement": ppo(4, 1e-2, LossConfig(teacher=0.0, student=0.5, policy=1.0), steps=3)},
    "self-imitation": {"exploring": exploring(4, 1e-2, rounds=2, episodes=4, samples=4)},
}


TRANSFORMER = TransformerConfig(view=12, width=16, heads=2, words=2)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("policy", ["own", "transformer"])
def test_every_learner_trains_every_policy_and_resumes_bit_for_bit(
    module, small_data, tmp_path, monkeypatch, policy, name
):
    monkeypatch.setattr(log, "EVERY", 2)
    config = module() if policy == "own" else TRANSFORMER
    world = small_world(small_data, small_config(policy=config, phases=RUNS[name], select="latest", evaluate_every=2))
    torch.manual_seed(1)
    speaker = small_speaker_world(small_data, small_caption_config()).speaker() if name == "self-imitation" else None
    whole = fresh(world, tmp_path / "whole", critic=speaker)
    before = {key: value.clone() for key, value in whole.policy.state_dict().items()}
    whole.train()
    assert any(not torch.equal(value, before[key]) for key, value in whole.policy.state_dict().items())
    interrupted = fresh(world, tmp_path / "parts", critic=speaker)
    before_update(interrupted, 3, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        interrupted.train()
    resumed = fresh(world, tmp_path / "parts", critic=speaker)
    resumed.resume(load_checkpoint(tmp_path / "parts" / LATEST))
    resumed.train()
    same_weights(tmp_path / "parts", tmp_path / "whole")


def test_own_parts_through_the_command_line(module, run, small_data, tmp_path):
    """Trained with an own policy and learner, resumed with nothing but the folder, evaluated."""
    flags = (
        "--import",
        "own_parts",
        "--policy",
        "own_parts:TinyConfig",
        "--phase",
        "imitation=half",
        "--policy.hidden",
        12,
    )
    sizes = ("--imitation.iterations", 2, "--reinforcement.iterations", 0, "--batch-size", 6, "--max-steps", 5)
    result = run("train.py", "r2r-navigator", "--out", tmp_path / "run", *flags, *sizes, "--evaluate-every", 2)
    assert result.code == 0, result.errors
    again = run("train.py", "--resume", "--out", tmp_path / "run")
    assert again.code == 0, again.errors
    found = run("evaluate.py", tmp_path / "run", "--split", "val_unseen")
    assert found.code == 0, found.errors
    assert load_checkpoint(tmp_path / "run" / LATEST).state["config"]["policy"] == {
        "kind": "own_parts:TinyConfig",
        "hidden": 12,
    }


# --- states ---


STATE = {"a": torch.arange(6.0).view(3, 2), "b": (torch.ones(3, dtype=torch.bool), [torch.zeros(3, 1, 2)]), "c": None}


def test_rows_joins_and_names_go_through_any_tree():
    some = rows(STATE, torch.tensor([2, 0]))
    assert some["a"].tolist() == [[4, 5], [0, 1]]
    assert some["c"] is None
    assert concatenate([some, some])["b"][1][0].shape == (4, 1, 2)
    named = named_tensors(STATE)
    assert len(named) == 3
    again = with_named_tensors(STATE, {name: value.logical_not() for name, value in named.items()})
    assert again["a"].tolist() == [[True, False], [False, False], [False, False]]
    assert not again["b"][0].any()
    assert again["c"] is None


def test_rows_that_are_replaced_may_be_longer_or_shorter():
    old, new = {"x": torch.ones(3, 2)}, {"x": torch.full((1, 4), 5.0)}
    found = scatter(old, new, torch.tensor([1]))["x"]
    assert found.tolist() == [[1, 1, 0, 0], [5, 5, 5, 5], [1, 1, 0, 0]]
    assert scatter({"x": torch.ones(2, 3)}, {"x": torch.zeros(1, 1)}, torch.tensor([0]))["x"].tolist() == [
        [0] * 3,
        [1] * 3,
    ]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"h": torch.zeros(2, 5)}, r"tensor \['h'\] of its state has shape \(2, 5\) for a batch of 3; return nested"),
        (torch.zeros(()), r"of its state has shape \(\) for a batch of 3"),
        (object(), "initial_state returns no tree with tensors"),
    ],
)
def test_a_state_that_is_no_tree_of_batch_first_tensors_is_refused(state, problem):
    with pytest.raises(InputError, match=rf"policy 'str': .*{problem}|policy 'str': {problem}"):
        check_state(state, 3, "policy")


# --- bad input ---


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--import", "no_such_module"), "--import: module 'no_such_module' cannot be imported"),
        (("--policy", "navigater"), "policy: 'navigater' is not known"),
        (("--policy", "own_parts:Tiny"), "--policy: 'own_parts:Tiny' is no configuration of a policy"),
        (("--phase", "tuning=pppo"), "learner: 'pppo' is not known"),
        (("--phase", "tuning"), "--phase: 'tuning' adds no phase; give a name and a learner"),
    ],
)
def test_what_is_no_part_is_one_sentence(module, run, tmp_path, flags, problem):
    result = run("train.py", "r2r-navigator", "--out", tmp_path / "run", *flags)
    assert (result.code, result.output, result.errors.count("\n")) == (2, "", 1)
    assert problem in result.errors
    assert not (tmp_path / "run").exists()


def test_a_configuration_of_another_learner_is_refused():
    setup = Setup(None, None, None, None, 8, 0, None)
    with pytest.raises(InputError, match="phase 'tuning': is for 'ppo', but its configuration is a PhaseConfig"):
        make_learner("tuning", PhaseConfig("ppo", 3), setup)
