"""Published results on Room-to-Room, for comparison with measured ones. Values are fractions, not percent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of a paper."""

    method: str
    source: str
    success: dict[str, float]  # success rate by split
    spl: dict[str, float]  # SPL by split, if given


R2R = (
    Published("seq2seq, student forcing", "Anderson et al. 2018", {"val_seen": 0.386, "val_unseen": 0.218}, {}),
    Published("Speaker-Follower", "Fried et al. 2018", {"val_seen": 0.66, "val_unseen": 0.35}, {}),
    Published("RCM", "Wang et al. 2019", {"val_seen": 0.674, "val_unseen": 0.425}, {}),
    Published("EnvDrop without speaker", "Tan et al. 2019", {"val_seen": 0.58, "val_unseen": 0.46}, {}),
    Published("EnvDrop", "Tan et al. 2019", {"val_seen": 0.62, "val_unseen": 0.52}, {"val_unseen": 0.48}),
)
