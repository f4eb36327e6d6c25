"""How far gradients reach back through time, measured in an agent: vanishing and exploding (Bengio et al. 1994).

The norm of the Jacobian d h_t / d x_{t-k} of a recurrent network's state with respect to its input k steps back: a
product of k Jacobians of single steps, which shrinks or grows geometrically in a vanilla network, and which the gates
of an LSTM keep alive (Hochreiter and Schmidhuber 1997; Pascanu et al. 2013, section 2).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agents.learners.episode_learning import SequenceConfig, add_gradients
from agents.learners.recording import Recording, truncated_chunks
from agents.policies.language import InstructionEncoder
from agents.policies.navigator import Navigator
from agents.policies.policy import without_dropout
from agents.policies.recurrent import RecurrentCore, reorder, reversal

PROBES = 4  # random directions from which the norm of a Jacobian is estimated


@dataclass(frozen=True)
class CoreInputs:
    """What the recurrent core of an agent read in B episodes, the longest first."""

    inputs: Tensor  # (T, B, width), zeros after the end of an episode
    lengths: Tensor  # (B,) int64, steps of each
    state: Tensor  # (B, layers, parts, hidden), before the first step


@torch.no_grad()
def core_inputs(navigator: Navigator, recording: Recording) -> CoreInputs:
    """Inputs of the core when recorded episodes are replayed, without dropout."""
    read: list[tuple[Tensor, Tensor]] = []
    without_dropout(navigator)
    hook = navigator.core.register_forward_pre_hook(lambda _, given: read.append(given))
    try:
        for _ in truncated_chunks(navigator, recording, torch.zeros_like(recording.reward), 0):
            pass
    finally:
        hook.remove()
    steps, batch = [step for step, _ in read], len(read[0][0])
    inputs = steps[0].new_zeros(len(steps), batch, steps[0].shape[1])
    for place, step in zip(inputs, steps, strict=True):
        place[: len(step)] = step
    sizes = torch.tensor([len(step) for step in steps], device=inputs.device)
    lengths = (sizes[:, None] > torch.arange(batch, device=inputs.device)).sum(0)
    return CoreInputs(inputs, lengths, read[0][1])


def core_reach(core: RecurrentCore, given: CoreInputs, probes: int = PROBES, seed: int = 0) -> Tensor:
    """(B, T) float64 norms of d h_t / d x_{t-k} in a core, h_t its top layer's state at the end of an episode.

    They are estimated from `probes` random directions; the weights stay as they are. Column k belongs to the input k
    steps before the last; NaN before the start of an episode.
    """
    core = deepcopy(core).double().eval()  # what vanishes in single precision is still measured in double
    inputs, state = given.inputs.double().requires_grad_(), given.state.double()
    tops = []
    for step in inputs:
        top, state = core(step, state)
        tops.append(top)
    return _norms(torch.stack(tops, 1), inputs, given.lengths, probes, seed, time_first=True)


def encoder_reach(encoder: InstructionEncoder, tokens: Tensor, probes: int = PROBES, seed: int = 0) -> Tensor:
    """As `core_reach` (B, L) of tokens (B, L), h_t the forward state at the last word and x word embeddings."""
    encoder = deepcopy(encoder).double().eval()
    with _leaf(encoder.embedding) as leaves:
        found = encoder(tokens)
    forward = found.context[:, :, : encoder.width // (2 if len(encoder.backwards) else 1)]
    return _norms(forward, leaves[0], found.mask.sum(1), probes, seed)


@contextmanager
def _leaf(module: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block, what a module gives is cut off from where it came from; the list receives it."""
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    hook = module.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        hook.remove()


def _norms(states: Tensor, inputs: Tensor, lengths: Tensor, probes: int, seed: int, time_first: bool = False) -> Tensor:
    """(B, T) Frobenius norms of the Jacobians of the last states (of B, T, H) by the inputs, counted back from there.

    For directions v of independent signs, the mean of |J^T v|^2 is |J|^2 (Hutchinson 1990).
    """
    batch, longest, hidden = states.shape
    last = states[torch.arange(batch, device=states.device), lengths - 1]
    random = torch.Generator(states.device).manual_seed(seed)
    squares = states.new_zeros(batch, longest)
    for _ in range(probes):
        signs = torch.randint(0, 2, (batch, hidden), generator=random, device=states.device) * 2 - 1
        (gradient,) = torch.autograd.grad((last * signs).sum(), inputs, retain_graph=True)
        squares += (gradient.transpose(0, 1) if time_first else gradient).square().sum(-1)
    back = reorder(squares[:, :, None], reversal(lengths, longest))[:, :, 0]
    beyond = torch.arange(longest, device=states.device) >= lengths[:, None]
    return (back / probes).sqrt().masked_fill(beyond, torch.nan)


def decay(norms: Tensor) -> Tensor:
    """Factors (B,) by which norms (B, T), measured as above, are multiplied at each step back.

    Those of the exponential that fits best (least squares of logarithms); NaN for fewer than two steps.
    """
    counted = norms.isfinite() & (norms > 0)
    steps = torch.arange(norms.shape[1], device=norms.device, dtype=norms.dtype).expand_as(norms)
    number = counted.sum(1)
    heights = torch.where(counted, norms, 1.0).log()
    from_middle = (steps - (steps * counted).sum(1, keepdim=True) / number[:, None]) * counted
    slopes = (from_middle * heights).sum(1) / from_middle.square().sum(1)
    return torch.where(number > 1, slopes.exp(), torch.nan)


def gradient_of(navigator: Navigator, recording: Recording, config: SequenceConfig) -> dict[str, Tensor]:
    """The gradient of the loss of recorded episodes by weight, without dropout, where there is any influence."""
    without_dropout(navigator)
    navigator.zero_grad()
    add_gradients(navigator, recording, config, lambda loss: loss.backward())  # type: ignore[no-untyped-call]
    found = {name: weight.grad for name, weight in navigator.named_parameters() if weight.grad is not None}
    navigator.zero_grad()
    return found


def loss_after(
    navigator: Navigator,
    recording: Recording,
    config: SequenceConfig,
    gradient: dict[str, Tensor],
    rate: float,
    clip: float = math.inf,
) -> float:
    """The loss of recorded episodes after a step of plain gradient descent, infinite where it is not a number.

    The gradient is shortened to the norm `clip` if it is longer (Pascanu et al. 2013, section 3.2), and multiplied with
    `rate`. The navigator keeps its weights.
    """
    moved = deepcopy(navigator)
    without_dropout(moved)
    share = min(1.0, clip / norm_of(gradient))
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            if name in gradient:
                weight.sub_(rate * share * gradient[name])
        try:
            loss = add_gradients(moved, recording, config, lambda _: None)["loss"]
        except FloatingPointError:
            return math.inf
    return float(loss) if bool(loss.isfinite()) else math.inf


def norm_of(gradient: dict[str, Tensor]) -> float:
    """The norm of a gradient by all weights together."""
    return float(torch.stack([each.norm() for each in gradient.values()]).norm())


def agreement(gradient: dict[str, Tensor], whole: dict[str, Tensor], part: str) -> tuple[float, float]:
    """Cosine between a gradient and the whole one, and ratio of their lengths, by weights that start with `part`."""
    one, other = (
        torch.cat([each[name].flatten() for name in whole if name.startswith(part)]) for each in (gradient, whole)
    )
    return float(torch.cosine_similarity(one, other, 0)), float(one.norm() / other.norm())
