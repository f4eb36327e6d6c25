"""The navigator: every combination of its parts runs and learns, rows do not see each other, ablations hide."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from learners import SMALL_LANGUAGE, SMALL_NAVIGATOR, World, fresh_navigator, small_config, small_world

from agents.config import TrainConfig
from agents.evaluation import rollout
from agents.policies.acting import PolicyAgent
from agents.policies.geometry import DIRECTION, GEOMETRY, directions, facing, view_centres
from agents.policies.language import InstructionEncoder
from agents.policies.navigator import Navigator
from agents.policies.policy import PolicyOutput
from agents.policies.state import Observation, rows, with_privileged
from agents.policies.views import BlindViews
from vln.graph import VIEW_STEP, VIEWS

CELLS, LAYERS, ACTIONS = ("rnn", "lstm", "gru"), (1, 2), ("panoramic", "low-level")
SWITCHES = ("panorama", "cross_modal", "alignment", "visited")
EPISODES = [0, 5, 31, 64, 90, 119]
STEPS = 3


@pytest.fixture(scope="module")
def worlds(small_data) -> dict[str, World]:
    return {actions: small_world(small_data, small_config(actions=actions)) for actions in ACTIONS}


def variant(world: World, **changes) -> Navigator:
    """A navigator of a world with other switches, cell or layers, in evaluation mode."""
    config = replace(world.config, policy=replace(SMALL_NAVIGATOR, **changes))
    return fresh_navigator(replace(world, config=config)).eval()


def walk(world: World, episodes: list[int], steps: int = STEPS) -> list[Observation]:
    """What bodies observe that follow the expert."""
    env = world.environment("train", len(episodes))
    observation, infos = env.reset(options={"episode_index": episodes})
    seen = [observation]
    for _ in range(steps - 1):
        observation, *_, infos = env.step(infos["expert"])
        seen.append(observation)
    return seen


def decide(navigator: Navigator, seen: list[Observation], actions: int = 0) -> list[PolicyOutput]:
    """Decisions of a navigator that is led along; it remembers the action `actions` each time."""
    state = navigator.initial_state(seen[0])
    outputs = []
    for observation in seen:
        nothing_done = torch.zeros(len(observation["viewpoint"]))
        outputs.append(navigator.step(with_privileged(observation, progress=nothing_done), state))
        state = navigator.after(outputs[-1].state, torch.full((len(observation["viewpoint"]),), actions))
    return outputs


def progress(output: PolicyOutput) -> torch.Tensor:
    """The estimated progress, from its squared error where nothing is done."""
    return output.auxiliary["progress"].sqrt()


def parts(output: PolicyOutput) -> dict[str, torch.Tensor]:
    """Everything that is decided and remembered."""
    tensors = {"logits": output.logits, "value": output.value, "candidates": output.state.candidates}
    return {**tensors, **output.auxiliary, **output.attention}


# --- every combination ---


def unused(navigator: Navigator) -> set[str]:
    """The parts that a configuration leaves unused."""
    parts = set()
    if not navigator.config.panorama:
        parts |= {"look_content", "look_direction"}
    if navigator.low_level_actions:
        parts |= {"align"}
    return parts


@pytest.mark.parametrize("switches", list(product([True, False], repeat=4)), ids=str)
@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_combination_runs_and_learns_with_every_part(worlds, cell, layers, actions, switches):
    switched = dict(zip(SWITCHES, switches, strict=True))
    navigator = variant(worlds[actions], cell=cell, layers=layers, **switched)
    outputs = decide(navigator, walk(worlds[actions], EPISODES), actions=1)
    decided = ((output.logits[output.logits.isfinite()], output.value, progress(output)) for output in outputs)
    loss = sum(part.square().mean() for output in decided for part in output)
    loss.backward()
    for name, parameter in navigator.named_parameters():
        used = parameter.grad is not None and bool(parameter.grad.any())
        assert used == (name.split(".")[0] not in unused(navigator)), name


@pytest.mark.parametrize("actions", ACTIONS)
def test_outputs_have_their_shapes_and_ranges(worlds, actions):
    seen = walk(worlds[actions], EPISODES)
    for output, observation in zip(decide(variant(worlds[actions]), seen), seen, strict=True):
        assert output.logits.shape == observation["candidate_mask"].shape
        assert torch.equal(output.logits.isneginf(), observation["candidate_mask"] == 0)
        assert output.logits[observation["candidate_mask"] > 0].isfinite().all()
        assert ((progress(output) >= 0) & (progress(output) <= 1)).all()
        width = output.logits.shape[1] if actions == "low-level" else GEOMETRY
        assert output.state.candidates.shape == (*output.logits.shape, width)
        words, views = output.attention["words"], output.attention["views"]
        for attention in (words, views):
            torch.testing.assert_close(attention.sum(1), torch.ones(len(EPISODES)))
        assert views.shape == (len(EPISODES), VIEWS)
        assert not words[observation["instruction"][:, : words.shape[1]] == 0].any()


# --- rows do not see each other ---


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_equals_its_episodes_alone(worlds, cell, actions):
    navigator, seen = variant(worlds[actions], cell=cell, layers=2), walk(worlds[actions], EPISODES)
    together = decide(navigator, seen)
    for row in range(len(EPISODES)):
        for one, all_ in zip(
            decide(navigator, [rows(each, torch.tensor([row])) for each in seen]), together, strict=True
        ):
            for name, value in parts(one).items():
                there = parts(all_)[name][row]
                torch.testing.assert_close(value[0], there[: value.shape[1]] if name == "words" else there)


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_leaving_out_rows_changes_nothing_for_the_others(worlds, cell, actions):
    navigator = variant(worlds[actions], cell=cell, layers=2, feature_dropout=0.5)
    navigator.views.train()  # the hidden features of an episode must stay its own
    seen, keep = walk(worlds[actions], EPISODES), torch.tensor([4, 1, 2])
    seen = [with_privileged(each, progress=torch.zeros(len(EPISODES))) for each in seen]
    forward = torch.ones(len(EPISODES), dtype=torch.int64)
    state = navigator.after(navigator.step(seen[0], navigator.initial_state(seen[0])).state, forward)
    fewer = rows(state, keep)
    for observation in seen[1:]:
        whole, part = navigator.step(observation, state), navigator.step(rows(observation, keep), fewer)
        for name, value in parts(whole).items():
            torch.testing.assert_close(value[keep], parts(part)[name])
        state, fewer = navigator.after(whole.state, forward), navigator.after(part.state, forward[keep])


# --- candidates ---


def test_a_candidate_is_known_by_direction_distance_and_kind(worlds):
    seen = walk(worlds["panoramic"], EPISODES, steps=1)
    geometry = decide(variant(worlds["panoramic"]), seen)[0].state.candidates
    towards = directions(seen[0]["candidate_heading"], seen[0]["candidate_elevation"])
    assert torch.equal(geometry[..., :DIRECTION], towards)
    assert torch.equal(geometry[..., DIRECTION], seen[0]["candidate_distance"] / 5)
    assert geometry[..., DIRECTION + 1].nonzero().tolist() == [[row, 0] for row in range(len(EPISODES))]


@pytest.mark.parametrize("alignment", [True, False])
def test_a_candidate_is_scored_by_the_view_it_is_in(worlds, alignment):
    """Without what lets the whole panorama speak, a view that changes moves the candidates in it and no other."""
    navigator = variant(worlds["panoramic"], panorama=False, cross_modal=False, alignment=alignment)
    with torch.no_grad():
        navigator.blur.zero_()
        navigator.arrived.weight.zero_()
    seen = walk(worlds["panoramic"], EPISODES[:1], steps=1)
    offered, views = seen[0]["candidate_mask"][0] > 0, seen[0]["candidate_view"][0]
    before = decide(navigator, seen)[0].logits[0]
    ahead = int(facing(seen[0]["heading"], seen[0]["elevation"]))
    changed = next(view for view in views[offered][1:].tolist() if view != ahead)
    weights = navigator.views.weights
    weights.view(len(weights), VIEWS, -1)[seen[0]["viewpoint"], changed] *= 2
    after = decide(navigator, seen)[0].logits[0]
    expected = (views == changed) & offered
    expected[0] = False  # to stop is in no view
    assert torch.equal(before != after, expected)


# --- memory ---


def test_the_action_taken_is_remembered(worlds):
    navigator, seen = variant(worlds["panoramic"]), walk(worlds["panoramic"], EPISODES)
    stopping, moving = (decide(navigator, seen, actions) for actions in (0, 1))
    torch.testing.assert_close(stopping[0].logits, moving[0].logits)
    assert (stopping[1].value != moving[1].value).all()


def test_visited_viewpoints_are_known_if_asked_for(worlds):
    seen = walk(worlds["panoramic"], EPISODES)
    for visited in (True, False):
        outputs = decide(variant(worlds["panoramic"], visited=visited), seen)
        known = outputs[-1].state.candidates[..., -1]
        before = torch.stack([each["viewpoint"] for each in seen], 1)
        expected = (seen[-1]["candidate_viewpoint"][:, :, None] == before[:, None]).any(-1)
        assert expected[:, 1:].any()
        assert torch.equal(known, expected.float() if visited else torch.zeros_like(known))


# --- ablations ---


def elsewhere(observation: Observation, places: int) -> Observation:
    """The same geometry around other panoramas."""
    moved = {name: (observation[name] + 7) % places for name in ("viewpoint", "candidate_viewpoint")}
    return {**observation, **moved}


@pytest.mark.parametrize("how", ["trained", "blinded"])
def test_the_blind_agent_does_not_depend_on_what_views_look_like(small_data, worlds, how):
    world = worlds["panoramic"]
    if how == "trained":
        navigator = fresh_navigator(small_world(small_data, small_config(ablate="vision"))).eval()
    else:
        navigator = variant(world)
        navigator.views = BlindViews(SMALL_NAVIGATOR.view)
    seen, places = walk(world, EPISODES), sum(len(graph.viewpoints) for graph in world.graphs.values())
    other = [elsewhere(each, places) for each in seen]
    for one, two in zip(decide(navigator, seen), decide(navigator, other), strict=True):
        assert torch.equal(one.logits, two.logits)
        assert torch.equal(one.value, two.value)
    seeing = decide(variant(world), seen)[0].logits, decide(variant(world), other)[0].logits
    assert not torch.allclose(*seeing)


@pytest.mark.parametrize("how", ["trained", "silenced"])
def test_the_deaf_agent_does_not_depend_on_the_words(small_data, worlds, how):
    config = small_config(ablate="language" if how == "trained" else "nothing")
    world = small_world(small_data, config)
    episodes = world.splits["val_unseen"]
    told = [replace(each, instruction=other.instruction) for each, other in zip(episodes, episodes[::-1], strict=True)]
    agent = PolicyAgent(fresh_navigator(world), world.vocabulary)
    lives = []
    for split in (episodes, told):
        world.splits["val_unseen"] = split
        env = world.environment("val_unseen", 8, record=True, silent=how == "silenced")
        lives.append(rollout(agent, env, attention=True))
    # The episodes are batched by length, so the same one may meet another batch; floats may differ in the last digit.
    for one, other in zip(*lives, strict=True):
        assert [step.choice for step in one.steps] == [step.choice for step in other.steps]
        assert one.words == other.words == ("<eos>",)
        assert all(step.word_attention == (1.0,) for step in one.steps)


def test_the_listening_agent_does_depend_on_the_words(worlds):
    navigator, seen = variant(worlds["panoramic"]), walk(worlds["panoramic"], EPISODES, steps=1)
    told = {**seen[0], "instruction": seen[0]["instruction"].flip(0)}
    assert not torch.allclose(decide(navigator, seen)[0].logits, decide(navigator, [told])[0].logits)


# --- geometry ---


def test_directions_have_unit_sines_and_cosines_and_no_seam():
    heading, elevation = torch.tensor([0.3, -3.1, 7.0]), torch.tensor([0.1, -0.5, 0.0])
    found = directions(heading, elevation)
    assert found.shape == (3, DIRECTION)
    torch.testing.assert_close(found.view(3, -1, 2).square().sum(-1), torch.ones(3, DIRECTION // 2))
    torch.testing.assert_close(directions(heading + 2 * torch.pi, elevation), found, atol=1e-5, rtol=0)


def test_the_view_faced_is_the_one_looked_at(worlds):
    for observation in walk(worlds["low-level"], EPISODES, steps=8):
        assert torch.equal(facing(observation["heading"], observation["elevation"])[:, 0], observation["view"])
    centres = view_centres()
    assert torch.equal(facing(*centres.T), torch.arange(VIEWS))
    off = centres[:, 0] - 2 * torch.pi + 0.4 * VIEW_STEP, centres[:, 1] - 0.4 * VIEW_STEP
    assert torch.equal(facing(*off), torch.arange(VIEWS))


def test_a_candidate_borrows_from_the_views_around_its_own(worlds):
    navigator = variant(worlds["panoramic"])
    navigator.blur.data = torch.tensor([0.5, 0.25])
    scores = torch.zeros(1, VIEWS)
    scores[0, 12] = 1.0  # level, heading 0: the first of its row
    blurred = navigator._blur(scores)[0]
    expected = {12: 1.0, 13: 0.5, 23: 0.5, 0: 0.25, 24: 0.25}
    assert {view: value for view, value in enumerate(blurred.tolist()) if value} == expected


def test_parameters_of_a_configuration_keep_their_names():
    """A renamed parameter would make every checkpoint unreadable."""
    config = TrainConfig(language=SMALL_LANGUAGE, policy=SMALL_NAVIGATOR)
    views = BlindViews(SMALL_NAVIGATOR.view)
    encoder = InstructionEncoder(config.language, torch.zeros(5, 300), 0.0)
    navigator = Navigator(config.navigator, encoder, views)
    assert {name.split(".")[0] for name, _ in navigator.named_parameters()} == {
        *("encoder", "start", "last_action", "core", "look_content", "look_direction", "read"),
        *("ground_content", "ground_direction", "align", "candidate", "choose_content", "choose_key"),
        *("stop", "blur", "arrived", "value", "progress"),
    }
