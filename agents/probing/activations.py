"""Cells of recurrent layers: recording their activations at every word or step, and clamping some at a value.

A cell is named by its layer and its number: `core.1:17`. Its activation is the output h, which is all that the rest of
the network and the next step read of it. The memory c of a clamped LSTM cell goes on, but nothing reads it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.agent import Decision
from agents.policies.acting import PolicyAgent
from agents.policies.language import InstructionEncoder
from agents.policies.navigator import Navigator
from agents.policies.policy import Policy
from agents.policies.recurrent import reorder, reversal
from agents.speaking.speaker import Memory, Speaker
from vln.errors import InputError
from vln.language import PAD, Vocabulary
from vln.probing.report import Cell

Observe = Callable[[Mapping[str, Any]], dict[str, np.ndarray]]
_CELL = re.compile(r"(.+):(\d+)")


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return the recurrent layers of a navigator or of a speaker, by name."""
    if isinstance(network, Speaker):
        return {"decoder.1": network.decoder}
    if not isinstance(network, Navigator) or not isinstance(network.encoder, InstructionEncoder):
        raise InputError(type(network).__name__, "its recurrent layers are not known", "probe a navigator or a speaker")
    encoder = network.encoder
    named = [
        ("encoder.forward", encoder.forwards),
        ("encoder.backward", encoder.backwards),
        ("core", network.core.cells),
    ]
    return {f"{name}.{number}": layer for name, layers in named for number, layer in enumerate(layers, start=1)}


def width_of(layer: nn.Module) -> int:
    """Return the number of cells of a layer."""
    return int(layer.hidden_size)  # type: ignore[arg-type]


def parse_cell(text: str, layers: Mapping[str, nn.Module], flag: str) -> Cell:
    """Return the cell that a text such as `core.1:17` names; `flag` is named in errors."""
    match = _CELL.fullmatch(text)
    if match and match[1] in layers and int(match[2]) < width_of(layers[match[1]]):
        return match[1], int(match[2])
    known = ", ".join(f"{name}:0 to {name}:{width_of(layer) - 1}" for name, layer in layers.items())
    raise InputError(flag, f"this run has no cell '{text}'", f"choose from {known}")


@contextmanager
def clamped(layers: Mapping[str, nn.Module], values: Mapping[Cell, float]) -> Iterator[None]:
    """Within the block, the outputs of some cells are the constants `values`."""
    with ExitStack() as stack:
        for name, layer in layers.items():
            cells = {number: value for (owner, number), value in values.items() if owner == name}
            if cells:
                stack.enter_context(_clamped(layer, cells))
        yield


@contextmanager
def _clamped(layer: nn.Module, cells: Mapping[int, float]) -> Iterator[None]:
    """Clamp cells of one layer: what the layer reads of them is a constant, which is moved into the bias."""
    suffix = "_l0" if isinstance(layer, nn.RNNBase) else ""
    weight, bias = getattr(layer, f"weight_hh{suffix}"), getattr(layer, f"bias_hh{suffix}")
    numbers, values = torch.tensor(list(cells)), weight.new_tensor(list(cells.values()))
    before = weight.detach().clone(), bias.detach().clone()
    with torch.no_grad():
        bias += weight[:, numbers] @ values
        weight[:, numbers] = 0
    hook = layer.register_forward_hook(lambda _module, _inputs, output: _replaced(output, numbers, values))
    try:
        yield
    finally:
        hook.remove()
        with torch.no_grad():
            weight.copy_(before[0])
            bias.copy_(before[1])


def _replaced(output: Any, numbers: Tensor, values: Tensor) -> Any:
    """Return the output of a layer with other values of some cells; its own next step reads none of them."""
    if isinstance(output, Tensor):
        return output.index_copy(-1, numbers, values.expand(*output.shape[:-1], -1))
    return _replaced(output[0], numbers, values), output[1]


@contextmanager
def recorded(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Tensor]]]:
    """Within the block, keep all outputs h of the layers in a list each: (B, H) a step or (B, L, H) a sentence."""
    kept: dict[str, list[Tensor]] = {name: [] for name in layers}

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        kept[name].append(output if isinstance(output, Tensor) else output[0])

    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers.items()]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


@dataclass
class _Batch:
    """Activations in a batch of B episodes: (B, L, H) of layers over words, (B, H) a step of the others."""

    lengths: np.ndarray
    words: dict[str, np.ndarray]
    steps: list[dict[str, np.ndarray]] = field(default_factory=list)
    episodes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


class RecordingAgent(PolicyAgent):
    """Acts like a policy, and records the activations of its cells."""

    def __init__(self, policy: Policy, vocabulary: Vocabulary, observe: Observe | None = None) -> None:
        """`observe` makes numbers (B,) of an observation with its labels, which are recorded beside the cells."""
        super().__init__(policy, vocabulary)
        layers = layers_of(policy)
        self._readers = {name: layer for name, layer in layers.items() if name.startswith("encoder")}
        self._movers = {name: layer for name, layer in layers.items() if name not in self._readers}
        self._observe, self._batches = observe, list[_Batch]()

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Read the instructions."""
        with recorded(self._readers) as kept:
            super().begin(observation, seed)
        lengths = (torch.as_tensor(observation["instruction"]) != PAD).sum(1)
        words = {name: _in_order(name, outputs[0], lengths) for name, outputs in kept.items()}
        self._batches.append(_Batch(lengths.numpy(), words))

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """One step of the policy."""
        with recorded(self._movers) as kept:
            decision = super().act(observation, infos)
        batch = self._batches[-1]
        observed = self._observe(observation) if self._observe else {}
        batch.steps.append({name: outputs[0].cpu().numpy() for name, outputs in kept.items()} | observed)
        batch.episodes = np.asarray(infos["episode_index"])
        return decision

    def over_words(self) -> dict[str, list[np.ndarray]]:
        """Return activations by layer over the words of each episode, (L, H) each."""
        return {name: self._by_episode([batch.words[name] for batch in self._batches]) for name in self._readers}

    def over_steps(self, steps: Sequence[int]) -> dict[str, list[np.ndarray]]:
        """Return activations by layer over so many `steps` of each episode, (T, H), and what was observed, (T,)."""
        found = {}
        for name in self._batches[0].steps[0]:
            batches = [np.stack([step[name] for step in batch.steps], 1) for batch in self._batches]
            found[name] = self._by_episode(batches, steps)
        return found

    def _by_episode(self, batches: Sequence[np.ndarray], lengths: Sequence[int] | None = None) -> list[np.ndarray]:
        """Split (B, T, ...) values of batches into those of episodes, in order, without padding.

        `lengths` are those of the episodes; None takes those of the sentences.
        """
        found: dict[int, np.ndarray] = {}
        for batch, values in zip(self._batches, batches, strict=True):
            for row, episode in enumerate(batch.episodes.tolist()):
                length = batch.lengths[row] if lengths is None else lengths[episode]
                found.setdefault(episode, values[row, :length])
        return [found[episode] for episode in sorted(found)]


class ReplayingAgent(PolicyAgent):
    """Takes given actions, so that its preferences are recorded in the same states as before."""

    def __init__(self, policy: Policy, vocabulary: Vocabulary, actions: Sequence[Sequence[int]]) -> None:
        """`actions` are those of each episode of the environment."""
        super().__init__(policy, vocabulary)
        self._actions = np.zeros((len(actions), max(map(len, actions))), np.int64)
        for row, taken in zip(self._actions, actions, strict=True):
            row[: len(taken)] = taken

    def _choose(self, probabilities: Tensor, infos: dict[str, Any]) -> Tensor:
        steps = np.minimum(infos["steps"], self._actions.shape[1] - 1)
        return torch.as_tensor(self._actions[infos["episode_index"], steps], device=probabilities.device)


@torch.no_grad()
def decoder_activations(speaker: Speaker, memory: Memory, tokens: Tensor) -> list[np.ndarray]:
    """(length - 1, H) activations of a decoder after each word but the last of sentences (B, L), zero-padded."""
    speaker.eval()
    with recorded(layers_of(speaker)) as kept:
        speaker.token_log_probs(memory, tokens)
    (outputs,) = kept["decoder.1"]
    ends = (tokens != PAD).sum(1).tolist()
    # The first output comes before the first word.
    return [row[1:end].cpu().numpy() for row, end in zip(outputs, ends, strict=True)]


def _in_order(name: str, outputs: Tensor, lengths: Tensor) -> np.ndarray:
    """Return outputs (B, L, H) of a layer in the order of the words; backward layers give them in reverse."""
    if "backward" in name:
        outputs = reorder(outputs, reversal(lengths.to(outputs.device), outputs.shape[1]))
    return outputs.cpu().numpy()
