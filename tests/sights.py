"""A world of one glance: coloured boxes of some category before a grey wall, and an instruction that names one."""

import torch
from torch import Tensor

from agents.config import CameraConfig, LanguageConfig, NavigatorConfig
from agents.policies.language import InstructionEncoder
from agents.policies.navigator import Navigator
from agents.policies.state import Observation
from agents.policies.vision import BlindImages, ImageViews
from vln.language import Vocabulary
from vln.observation import PRIVILEGED

SIZE, NEAR = 32, 1.5
COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (50, 70, 200), "yellow": (230, 210, 60)}
CATEGORIES = ("nothing", *COLOURS)
VOCABULARY = Vocabulary.build([f"go to the {colour} box" for colour in COLOURS], min_count=1)
STOP, FORWARD, LEFT, RIGHT = range(4)
CAMERA = CameraConfig(size=SIZE, cells=4, channels=32, layers=1)
NAVIGATOR = NavigatorConfig(hidden=32, view=24, dropout=0.0, feature_dropout=0.0, camera=CAMERA)
LANGUAGE = LanguageConfig(min_count=1, word_vectors=False, embedding=16, hidden=16, max_length=8)


def camera_navigator(seed: int = 0, blind: bool = False, **changes) -> Navigator:
    """A small navigator with eyes, with the weights of a seed."""
    torch.manual_seed(seed)
    config = NavigatorConfig(**{**vars(NAVIGATOR), **changes})
    views = BlindImages(config.camera, config.view) if blind else ImageViews(config.camera, config.view, 0.0)
    embedding = torch.randn(len(VOCABULARY), LANGUAGE.embedding) * 0.4
    encoder = InstructionEncoder(LANGUAGE, embedding, config.dropout)
    return Navigator(config, encoder, views, 4, {"category": len(CATEGORIES)})


def glances(count: int, seed: int, deaf: bool = False) -> tuple[Observation, Tensor]:
    """Observations (B, ...) and what the expert does (B,): turn to the box that is named, walk up to it, stop there.

    Each image has two boxes of different colours, side by side.
    """
    random = torch.Generator().manual_seed(seed)
    shown = torch.rand(count, len(COLOURS), generator=random).argsort(1)[:, :2]  # colours from left to right
    named = torch.randint(0, 2, (count,), generator=random)
    # Where the boxes' middles are, in pixels; the named one is in the middle half the time.
    left = torch.randint(2, 8, (count,), generator=random)
    right = torch.randint(24, 30, (count,), generator=random)
    ahead = torch.rand(count, generator=random) < 0.5
    middles = torch.stack([left, right], 1)
    middles[torch.arange(count), named] = torch.where(ahead, SIZE // 2, middles[torch.arange(count), named])
    depths = 0.8 + 3 * torch.rand(count, 2, generator=random)
    columns = torch.arange(SIZE).expand(count, SIZE)
    rgb = (120 + 40 * torch.rand(count, SIZE, SIZE, 3, generator=random)).to(torch.uint8)
    depth, category = torch.full((count, SIZE, SIZE, 1), 5.0), torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
    palette = torch.tensor(list(COLOURS.values()), dtype=torch.uint8)
    for box in range(2):
        inside = (columns - middles[:, box, None]).abs() <= 3
        inside = inside[:, None] & (torch.arange(SIZE) >= 10)[None, :, None]
        rgb = torch.where(inside[..., None], palette[shown[:, box]][:, None, None], rgb)
        depth = torch.where(inside[..., None], depths[:, box, None, None, None], depth)
        category = torch.where(inside, 1 + shown[:, box, None, None].to(torch.uint8), category)
    rows = torch.arange(count)
    there = depths[rows, named] < NEAR
    aside = torch.where(named == 0, LEFT, RIGHT)
    expert = torch.where(ahead, torch.where(there, STOP, FORWARD), aside)
    colours = [list(COLOURS)[index] for index in shown[rows, named].tolist()]
    sentences = ["" if deaf else f"go to the {colour} box" for colour in colours]
    tokens = torch.from_numpy(VOCABULARY.encode_batch(sentences, LANGUAGE.max_length)[0])
    target = (category == 1 + shown[rows, named].to(torch.uint8)[:, None, None]).to(torch.uint8)
    labels = {"category": category, "target": target}
    return {"rgb": rgb, "depth": depth, "instruction": tokens, PRIVILEGED: labels}, expert
