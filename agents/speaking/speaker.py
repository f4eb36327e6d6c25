"""The speaker: from a trajectory to a sentence, and how well a sentence fits a trajectory.

The encoder is the one of Tan et al. 2019 (section 3.4; Fried et al. 2018 before it): an LSTM over what was moved
towards and how, attention over all that was to be seen at each step, and a second LSTM, both of them both ways. The
decoder (`decoder.py`) is an LSTM over the words said, with attention over the steps (Luong et al. 2015). Where views
are words, a word that was seen is said the more readily (a pointer in the manner of See et al. 2017, but added to the
scores). The mean log-probability of a sentence is the matching critic of Wang et al.
2019.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.config import SpeakerConfig
from agents.policies.attention import masked_softmax
from agents.policies.geometry import DIRECTION, cell_directions, directions_around, view_centres
from agents.policies.recurrent import BothWays
from agents.policies.state import Observation, rows
from agents.policies.views import Panorama, ViewCache, ViewContent, directions_of, weigh
from agents.policies.vision import BlindImages, ImageViews
from agents.speaking.decoder import Decoder, State, never_padding
from agents.speaking.speaker_inputs import Routes
from vln.errors import InputError
from vln.graph import VIEWS
from vln.language import EOS, PAD

TOGETHER = 64  # sentences that are scored at a time


@dataclass(frozen=True)
class Memory:
    """What is known of B trajectories of T steps when words are looked for."""

    context: Tensor  # (B, T, H), one vector per step
    mask: Tensor  # (B, T) bool, True at steps
    first: Tensor  # (B, H), where the decoder starts
    # (B, T, V), how much of each word of the vocabulary there was to be seen; None where nothing is copied
    seen: Tensor | None

    def rows(self, keep: Tensor) -> "Memory":
        """The same for trajectories `keep` (n,), which may repeat."""
        seen = None if self.seen is None else self.seen[keep]
        return Memory(self.context[keep], self.mask[keep], self.first[keep], seen)


class Speaker(Decoder):
    """Describes routes; `agents.speaking.decoding.speak` chooses the words."""

    view_centres: Tensor
    spelling: Tensor

    def __init__(
        self,
        config: SpeakerConfig,
        embedding: Tensor,
        views: ViewContent,
        actions: int,
        spelling: Tensor | None = None,
    ) -> None:
        """Build a speaker; word vectors start as `embedding` (V, E).

        `actions` is the width of an action: `speaker_inputs.MOVE`, or the number of low-level actions. `spelling` (V,)
        int64 has for each word that of the views that is spelled alike, -1 if there is none; None copies nothing.
        """
        super().__init__()
        self.config, self.views, self.actions = config, views, actions
        self.camera = isinstance(views, (ImageViews, BlindImages))
        hidden, half = config.hidden, config.hidden // 2
        seen = config.view + DIRECTION
        self.move_encoder = BothWays(config.view + actions, half)
        self.look_content, self.look_direction = nn.Linear(2 * half, config.view), nn.Linear(2 * half, DIRECTION)
        self.merge = nn.Linear(2 * half + seen, hidden)
        self.history_encoder = BothWays(hidden, half)
        self.start = nn.Linear(2 * half, hidden)
        self.build_decoder(embedding, hidden, config.dropout, attended=2 * half)
        self.copies = spelling is not None
        if spelling is not None:
            self.register_buffer("spelling", spelling, persistent=False)
            self.copy_gate = nn.Linear(hidden, 1)
        centres = cell_directions(views.side) if isinstance(views, (ImageViews, BlindImages)) else view_centres()
        self.register_buffer("view_centres", centres, persistent=False)

    @property
    def low_level_actions(self) -> int:
        """Number of low-level actions; 0 where actions are panoramic moves."""
        return self.actions if self.camera else 0

    def log_prob(self, routes: Routes, tokens: Tensor) -> Tensor:
        """The matching critic: mean log-probability per token (B,) of sentences (B, L), ends included, of B routes."""
        return self.fit(self.read(routes), tokens)

    def fit(self, memory: Memory, tokens: Tensor) -> Tensor:
        """`log_prob` (B,) of sentences (B, L) given what is known of their routes."""
        lengths = (tokens != PAD).sum(1)
        # Sentences of like length together: the decoder need not go on to the end of the longest for the others.
        order = lengths.argsort()
        sums = [self.token_log_probs(memory.rows(rows), tokens[rows]).sum(1) for rows in torch.split(order, TOGETHER)]
        return torch.cat(sums)[order.argsort()] / lengths

    def token_log_probs(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Log-probabilities (B, L) of each token (B, L) of sentences given those before it; zero at the padding."""
        lengths = (tokens != PAD).sum(1)
        if bool(((lengths == 0) | (tokens[:, 0] == EOS)).any()):
            raise InputError("sentence", "is empty", "give one with words")
        tokens = tokens[:, : int(lengths.max())]
        live = tokens != PAD
        hidden, _ = self.decode_states(F.pad(tokens, (1, -1), value=EOS), self.begin(memory))
        scores = self._scores(hidden, memory, live)  # the padding, which may be the better half, costs nothing
        said = scores.gather(1, tokens[live][:, None])[:, 0] - scores.logsumexp(1)
        return torch.zeros_like(hidden[:, :, 0]).masked_scatter(live, said)

    def begin(self, memory: Memory) -> State:
        """The decoder's state (1, B, H) before the first word; the word before it is the end of a sentence."""
        return memory.first[None].contiguous(), torch.zeros_like(memory.first)[None]

    def step(self, last: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        """Log-probabilities (B, V) of the next words after those said last (B,), and the state after."""
        hidden, state = self.decode_states(last[:, None], state)
        return self._scores(hidden, memory, torch.ones_like(last, dtype=torch.bool)[:, None]).log_softmax(1), state

    def _scores(self, hidden: Tensor, memory: Memory, live: Tensor) -> Tensor:
        """Scores of words (N, V) for the states of the decoder (B, L, H) that are live (B, L); the padding has -inf."""
        hidden = self.dropout(hidden)
        fits = self.attention(hidden) @ memory.context.transpose(1, 2)
        attended = masked_softmax(fits, memory.mask[:, None])
        found = torch.cat([hidden, attended @ memory.context], 2)[live]
        features = self.output_features(found)
        scores = self.scores(features)
        if memory.seen is not None:
            scores = scores + F.softplus(self.copy_gate(features)) * (attended @ memory.seen)[live]
        return never_padding(scores)

    def read(self, routes: Routes) -> Memory:
        """Look at routes."""
        self._check(routes)
        mask, lengths = routes.mask, routes.mask.sum(1)
        # All steps at once: a step of a route is a row, whose views hide what they hide from all of the route.
        frames = {name: value[mask] for name, value in routes.frames.items()}
        cache = rows(self.views.make_cache(len(mask), routes.environment), mask.nonzero()[:, 0])
        panorama, around = self._panorama(frames, cache), self._around(frames)
        ahead = self._ahead(routes.view[mask], around)
        moves = torch.cat([self.dropout(panorama.pool(ahead)), routes.action[mask]], 1)
        moved = self.dropout(self.move_encoder(_spread(moves, mask), lengths))[mask]
        looked = weigh(panorama, around, self.look_content(moved), self.look_direction(moved))
        seen = torch.cat([self.dropout(panorama.pool(looked)), directions_of(looked, around)], 1)
        merged = torch.tanh(self.merge(torch.cat([moved, seen], 1)))
        context = self.dropout(self.history_encoder(_spread(self.dropout(merged), mask), lengths))
        summary = (context * mask[:, :, None]).sum(1) / lengths[:, None]
        copied = _spread(self._spelled(panorama.words_in(looked + ahead)), mask) if self.copies else None
        return Memory(context, mask, torch.tanh(self.start(summary)), copied)

    def _check(self, routes: Routes) -> None:
        """See that routes are of the speaker's world."""
        wanted, width = "rgb" if self.camera else "viewpoint", routes.action.shape[2]
        if width != self.actions or not ({wanted, "cells"} & routes.frames.keys()):
            problem = f"actions have {width} numbers and places {', '.join(routes.frames)}"
            fix = f"give routes of the speaker's own world, with {self.actions} numbers and '{wanted}'"
            raise InputError("routes", problem, fix)

    def _panorama(self, frames: Observation, cache: ViewCache) -> Panorama:
        if not isinstance(self.views, (ImageViews, BlindImages)):
            return self.views.around(frames["viewpoint"], cache)
        return self.views.around(frames["cells"] if "cells" in frames else self.views.encode(frames)["cells"], cache)

    def _around(self, frames: Observation) -> Tensor:
        """Features of the directions of views (N, 36, DIRECTION), or of cells (cells, DIRECTION)."""
        return self.view_centres if self.camera else directions_around(self.view_centres, frames["heading"])

    def _ahead(self, view: Tensor, around: Tensor) -> Tensor:
        """Weights of what is ahead at N steps: the view moved towards (N, 36), if any; or all cells (N, cells)."""
        if self.camera:
            return around.new_full((len(view), len(around)), 1 / len(around))
        return F.one_hot(view.clamp(min=0), VIEWS) * (view >= 0).to(around.dtype)[:, None]

    def _spelled(self, words: Tensor) -> Tensor:
        """Weights of words of views (N, W) as weights of words to say (N, V)."""
        return words[:, self.spelling.clamp(min=0)] * (self.spelling >= 0)


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    """Values (N, d) of the places that are true in mask (B, T), row by row, to (B, T, d)."""
    return values.new_zeros(*mask.shape, values.shape[1]).masked_scatter(mask[:, :, None], values)
