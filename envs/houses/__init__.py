"""Procedural houses from a seed: floor plans, walls, furniture, textures and light."""

from envs.houses.house import SEEDS, VERSION, house_name, make_house, storeys_of

__all__ = ["SEEDS", "VERSION", "house_name", "make_house", "storeys_of"]
