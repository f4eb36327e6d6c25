"""Agents that other programs decide for, as agents of this package."""
