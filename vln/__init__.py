"""vln, the task of vision-and-language navigation: episodes, data sets, language, metrics, trajectories, replay."""

__version__ = "0.2.0"
