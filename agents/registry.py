"""Registries: policies (by their configurations), their encoders, learners, log sinks; agents that need no run."""

from typing import TYPE_CHECKING, Any

from vln.registry import Registry

if TYPE_CHECKING:
    from agents.config import PolicyConfig
    from agents.learners.learner import Learner
    from agents.training.sinks import LogSink

POLICIES: Registry[type["PolicyConfig"]] = Registry(
    "policy",
    {
        "navigator": "agents.config:NavigatorConfig",
        "transformer": "agents.policies.transformer:TransformerConfig",
    },
)

VIEW_ENCODERS: Registry[Any] = Registry(  # functions of a TrainConfig and the data of a task that build a module
    "view encoder",
    {"features": "agents.policies.encoders:feature_views", "rgbd": "agents.policies.encoders:rgbd_views"},
)

TEXT_ENCODERS: Registry[Any] = Registry("text encoder", {"recurrent": "agents.policies.encoders:recurrent_text"})

AGENTS: Registry[Any] = Registry(  # classes, see `agents.own.make_agent`
    "agent",
    {
        "shortest-path": "agents.agent:ShortestPathAgent",
        "chat": "agents.adapters.chat:ChatAgent",
        "stable-baselines": "agents.adapters.stable_baselines:StableBaselinesAgent",
    },
)

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

LOG_SINKS: Registry[type["LogSink"]] = Registry(
    "log sink",
    {
        "json-lines": "agents.training.sinks:JsonLines",
        "tensorboard": "agents.training.sinks:TensorBoard",
        "wandb": "agents.training.sinks:WeightsAndBiases",
    },
)
