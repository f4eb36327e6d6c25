"""Replay of trajectories: top-down maps, animations, pages and tables of steps."""
