"""Furniture in its place."""

from envs.houses.assemble import Assembly
from envs.houses.palette import Palette
from envs.houses.plan import Plan


def furnish(assembly: Assembly, plan: Plan, palette: Palette, height: float) -> None:
    """Furnish every room."""
