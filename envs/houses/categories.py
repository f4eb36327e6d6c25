"""Names of categories, rooms and colours in generated houses. Data sets and agents depend on their order."""

STRUCTURE = ("floor", "wall", "ceiling", "door", "window", "stairs")
"""Categories of the building itself."""

LANDMARKS = (
    "bed", "bunk bed", "crib", "nightstand", "wardrobe", "dresser", "sofa", "armchair", "coffee table", "tv stand",
    "tv", "fireplace", "bookshelf", "piano", "dining table", "chair", "sideboard", "desk", "office chair",
    "computer", "fridge", "stove", "kitchen counter", "kitchen sink", "stool", "toilet", "bathtub", "shower",
    "sink", "mirror", "washing machine", "dryer", "laundry basket", "treadmill", "weight bench", "exercise bike",
    "bench", "coat rack", "shoe cabinet", "shelf", "workbench", "car", "bicycle", "box", "trash can", "plant",
    "floor lamp", "rug", "painting", "clock", "toy chest", "teddy bear", "grandfather clock", "aquarium", "ottoman",
)  # fmt: skip
"""Objects that instructions may name: large or distinctive, and visible from the walkable area."""

SMALL = (
    "ceiling lamp", "table lamp", "curtain", "towel", "vase", "book", "cushion", "kitchen cabinet", "bowl", "cup",
    "radiator", "ball",
)  # fmt: skip
"""Objects too small, too high or too common to be landmarks."""

CATEGORIES = ("nothing", *STRUCTURE, *LANDMARKS, *SMALL)
"""All object categories; `category` images hold the index, 0 where a triangle belongs to no object."""

ROOM_CATEGORIES = (
    "hallway", "living room", "kitchen", "dining room", "bedroom", "bathroom", "office", "kids room", "nursery",
    "laundry room", "library", "gym", "storage room", "garage", "music room", "entryway", "landing", "stairwell",
)  # fmt: skip

Rgb = tuple[int, int, int]

COLOURS: dict[str, tuple[Rgb, Rgb]] = {
    "red": ((165, 22, 24), (222, 48, 44)),
    "orange": ((222, 105, 18), (248, 146, 40)),
    "yellow": ((226, 188, 30), (250, 224, 84)),
    "green": ((34, 104, 44), (92, 168, 74)),
    "turquoise": ((24, 140, 142), (78, 196, 190)),
    "blue": ((26, 60, 150), (66, 118, 214)),
    "purple": ((92, 38, 130), (146, 82, 186)),
    "pink": ((224, 110, 150), (248, 168, 196)),
    "brown": ((88, 52, 26), (140, 88, 48)),
    "beige": ((204, 178, 136), (226, 204, 166)),
    "black": ((24, 24, 26), (50, 50, 54)),
    "grey": ((104, 106, 110), (150, 152, 156)),
    "white": ((232, 232, 228), (252, 252, 250)),
}
"""The darkest and the lightest shade (red, green, blue) by name, before baked light."""
