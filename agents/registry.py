"""Registries of what runs are made of: learners. Built-in ones are imported when they are first looked up."""

from typing import TYPE_CHECKING

from vln.registry import Registry

if TYPE_CHECKING:
    from agents.learners.learner import Learner

LEARNERS: Registry[type["Learner"]] = Registry(
    "learner",
    {
        "behaviour_cloning": "agents.learners.episode_learning:BehaviourCloning",
        "student_forcing": "agents.learners.episode_learning:StudentForcing",
        "a2c": "agents.learners.episode_learning:A2C",
        "dagger": "agents.learners.dagger:Dagger",
        "ppo": "agents.learners.ppo:Ppo",
        "self_imitation": "agents.learners.self_imitation:SelfImitation",
        "label_pretraining": "agents.learners.label_pretraining:LabelPretraining",
    },
)
