"""Fine-tuning probe: a few updates of a network with the weights of a run, except for one fresh part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from agents.config import TrainConfig
from agents.learners.episode_learning import SequenceConfig, learn_recording
from agents.learners.recording import ExpertActor, Recording, record
from agents.learners.sampler import EpisodeSampler
from agents.policies.navigator import Navigator
from agents.policies.policy import without_dropout
from agents.training.optimization import OptimizerStep


def copy_matching_weights(network: nn.Module, weights: Mapping[str, Tensor], fresh: Sequence[str]) -> list[str]:
    """Copy weights that match by name and shape, but for those with a prefix in `fresh`; return names not copied."""
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in weights.items()
        if name in own and own[name].shape == value.shape and not name.startswith(tuple(fresh))
    }
    network.load_state_dict({**own, **fitting})
    return [name for name in own if name not in fitting]


@torch.no_grad()
def demonstrations(navigator: Navigator, env: VectorEnv, sampler: EpisodeSampler, batches: int) -> list[Recording]:
    """What the expert does in batches of episodes, with images encoded by the navigator.

    A policy that learns from them keeps that encoder frozen, so that each image is encoded once.
    """
    without_dropout(navigator)
    found = []
    for number in range(batches):
        episodes = sampler.batch(number)
        recording = record(env, episodes, ExpertActor(), torch.ones(len(episodes)))
        found.append(replace(recording, frames=[navigator.encode(frame) for frame in recording.frames]))
    return found


def finetune(
    navigator: Navigator, recordings: Sequence[Recording], config: TrainConfig, parts: tuple[str, ...]
) -> Iterator[dict[str, float]]:
    """Imitate recorded episodes, an update a batch, as a configuration's phase of imitation does.

    Yields after each update the loss, the norm of the gradient before it is clipped, and the length of the step in the
    weights whose names start with `parts`, as a share of their own.
    """
    phase = config.phases["imitation"]
    assert isinstance(phase, SequenceConfig), "imitation learns from episodes"
    optimizer = OptimizerStep(navigator, phase.learning_rate, config.gradient_clip, config.optimizer == "muon")
    weights = [weight for name, weight in navigator.named_parameters() if name.startswith(parts)]
    for done, recording in enumerate(recordings):
        optimizer.set_learning_rate(phase.learning_rate * (1 - (1 - phase.final_fraction) * done / len(recordings)))
        before = [weight.detach().clone() for weight in weights]
        numbers = learn_recording(navigator, recording, phase, optimizer)
        with torch.no_grad():
            step = [weight - old for weight, old in zip(weights, before, strict=True)]
        moved = _length(step) / _length(before)
        yield {"loss": float(numbers["loss"]), "gradient_norm": float(numbers["gradient_norm"]), "moved": moved}


def _length(parts: Sequence[Tensor]) -> float:
    """The Euclidean norm of tensors taken together."""
    return float(torch.stack([part.detach().norm() for part in parts]).norm())
