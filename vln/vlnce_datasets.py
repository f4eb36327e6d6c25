"""The published data sets of VLN-CE: where their files are, who walked their paths, and in what languages."""

from dataclasses import dataclass

from vln.errors import InputError

GUIDE, FOLLOWER = "guide", "follower"


@dataclass(frozen=True)
class VlnceDataset:
    """A data set of VLN-CE as it is published."""

    name: str
    folders: tuple[str, ...]  # patterns of its folder in `vlnce/` of the data folder
    roles: tuple[str, ...] = ()  # who walked the paths, the usual one first; empty where there is one kind only
    languages: tuple[str, ...] = ()  # of the instructions; empty where there is one only

    def role(self, wanted: str | None = None) -> str:
        """Return the role wanted, the usual one if None; empty where there are no roles."""
        if wanted and wanted not in self.roles:
            known = f"use one of {', '.join(self.roles)}" if self.roles else "leave it out"
            raise InputError("--role", f"'{wanted}' is no role of '{self.name}'", known)
        return wanted or next(iter(self.roles), "")

    def check_languages(self, wanted: tuple[str, ...]) -> None:
        """Check that instructions in these languages are there."""
        for each in wanted:
            if each not in self.languages:
                known = f"use some of {', '.join(self.languages)}" if self.languages else "leave it out"
                raise InputError("--languages", f"'{each}' is no language of '{self.name}'", known)


VLNCE = {
    each.name: each
    for each in (
        VlnceDataset("r2r-ce", ("R2R_VLNCE_v1-*_preprocessed", "R2R_VLNCE_v1-*")),
        VlnceDataset("rxr-ce", ("RxR_VLNCE_v*",), (GUIDE, FOLLOWER), ("en-US", "en-IN", "hi-IN", "te-IN")),
    )
}
