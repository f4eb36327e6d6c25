"""Following captions: how often a navigator arrives that reads a speaker's captions."""

from collections.abc import Sequence
from dataclasses import replace

from agents.evaluation import rollout_with_progress, score, warn_unreadable
from agents.runs import Trained
from agents.speaking.captions import Caption
from vln.episodes import Episode
from vln.errors import InputError
from vln.metrics import mean_scores


def follower_success(
    follower: Trained, split: str, episodes: Sequence[Episode], captions: Sequence[Caption], seed: int
) -> dict[str, float]:
    """Return a navigator's success rate in percent with captions as instructions, and with people's instructions.

    The episodes have distinct demonstrations, and a caption each.
    """
    known = {each.episode_id: each for each in follower.data.splits[split]}
    captioned = []
    for each, caption in zip(episodes, captions, strict=True):
        if each.episode_id not in known:
            problem = f"learnt on '{follower.run.task.name}', which has no episode '{each.episode_id}'"
            raise InputError(follower.run.folder, problem, "give a navigator of the speaker's data set")
        if not caption.text.strip():
            fix = "train the speaker longer, or choose words by another --method"
            raise InputError(f"caption of episode '{each.episode_id}'", "is empty, and nobody can follow it", fix)
        captioned.append(replace(known[each.episode_id], instruction=caption.text))
    warn_unreadable(captioned, follower.data.vocabulary)
    rates = {}
    for name, read in (("SR of captions", captioned), ("SR of people", list(known.values()))):
        there = follower.only(split, read)
        trajectories = rollout_with_progress(follower.agent, there.environment(split), seed)
        rates[name] = 100 * mean_scores(score(trajectories, there.data))["SR"]
    return rates
