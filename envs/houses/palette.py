"""Drawing the colours, materials and sizes of one house."""

import numpy as np

from envs.houses.categories import COLOURS, Rgb
from envs.houses.parts import Paint
from envs.houses.textures import TEXTURE

# Walls have pale tints, so that furniture stands out.
WALL_TINTS: dict[str, tuple[Rgb, ...]] = {
    "white": ((244, 243, 239), (238, 236, 228)),
    "beige": ((233, 220, 196), (226, 210, 182)),
    "grey": ((196, 198, 202), (178, 182, 188)),
    "yellow": ((246, 231, 176), (242, 222, 150)),
    "green": ((196, 217, 186), (174, 204, 172)),
    "blue": ((184, 205, 228), (162, 190, 220)),
    "pink": ((240, 208, 212), (236, 190, 200)),
    "purple": ((210, 196, 224),),
    "turquoise": ((178, 218, 214),),
    "orange": ((244, 208, 172),),
}
WOODS: tuple[tuple[str, Rgb], ...] = (
    ("brown", (138, 88, 50)),
    ("brown", (112, 70, 40)),
    ("brown", (94, 58, 34)),
    ("beige", (214, 182, 138)),
    ("beige", (222, 196, 156)),
    ("white", (240, 238, 232)),
    ("black", (46, 44, 44)),
    ("grey", (138, 136, 132)),
)
VIVID = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink")
PLAIN = ("white", "black", "grey", "brown", "beige")
ALL = VIVID + PLAIN
METAL = Paint(176, 178, 182)

NamedPaint = tuple[str, Paint]
"""The name of a colour, and a paint of that colour."""


class Palette:
    """Draws sizes, choices and colours, consistent with the materials of a house, from one random generator."""

    metal = METAL
    dark = Paint(48, 48, 52)

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._woods = [WOODS[self.index(len(WOODS))] for _ in range(3)]
        self.trim = self.paint("white") if self.chance(0.75) else self.wood()[1]
        self.door = self.wood() if self.chance(0.6) else self.colour("white")
        self.front_door = self.colour("red", "green", "blue", "brown", "black", "yellow", "turquoise")
        name, paint = self.wall()
        self.stair_walls: NamedPaint = name, paint.textured(TEXTURE["plaster"], 1.2)

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def index(self, count: int) -> int:
        """Draw an integer from 0 to `count` - 1."""
        return int(self.rng.random() * count)

    def size(self, low: float, high: float) -> float:
        """Draw a length in metres, rounded to centimetres."""
        return round(low + (high - low) * self.rng.random(), 2)

    def one(self, *options: str) -> str:
        """Draw one of several names."""
        return options[self.index(len(options))]

    def paint(self, name: str) -> Paint:
        """Draw a shade of a colour."""
        dark, light = COLOURS[name]
        part = self.rng.random()
        red, green, blue = (a + (b - a) * part for a, b in zip(dark, light, strict=True))
        return Paint(red, green, blue)

    def colour(self, *names: str) -> NamedPaint:
        """Draw a shade of one of several colours; of any colour if none is given."""
        name = self.one(*(names or ALL))
        return name, self.paint(name)

    def fabric(self, *names: str) -> NamedPaint:
        """Draw an upholstery fabric, more often vivid than plain."""
        name, paint = self.colour(*(names or (VIVID if self.chance(0.65) else PLAIN)))
        return name, paint.textured(TEXTURE["fabric"], 0.5)

    def wood(self) -> NamedPaint:
        """Draw one of the house's three woods."""
        name, rgb = self._woods[self.index(3)]
        factor = 0.94 + 0.12 * self.rng.random()
        red, green, blue = (min(255.0, channel * factor) for channel in rgb)
        return name, Paint(red, green, blue, TEXTURE["wood"], 0.8)

    def painted_wood(self) -> NamedPaint:
        """Draw a wood or a colour of paint."""
        return self.wood() if self.chance(0.5) else self.colour()

    def wall(self, *names: str) -> NamedPaint:
        """Draw a tint for walls."""
        name = self.one(*(names or tuple(WALL_TINTS)))
        tints = WALL_TINTS[name]
        return name, Paint(*tints[self.index(len(tints))])
