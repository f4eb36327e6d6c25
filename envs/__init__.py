"""The worlds of vln: simulators behind one protocol, and Gymnasium environments. Importing this registers the ids.

Each id is a named task (`vln.tasks`); `gymnasium.make(id, task=...)` takes a changed one. What changed from one version
of the ids to the next is in `docs/migration.md`.

Conventions: metres and radians. The graph simulator keeps Matterport's frame (z up, headings clockwise from +y);
continuous worlds are y-up and right-handed, heading 0 looks along -z and turning left increases it.
"""

import gymnasium

from vln.packages import warn_of_another

warn_of_another("agents")
GRAPH_IDS = {"vln/GraphPanoramic-v2": "r2r", "vln/GraphLowLevel-v2": "r2r-low-level"}
HOUSES_IDS = {
    "vln/HousesShort-v2": "houses-short",
    "vln/Houses-v2": "houses",
    "vln/HousesLong-v2": "houses-long",
    "vln/HousesShortFine-v2": "houses-short-fine",
    "vln/HousesFine-v2": "houses-fine",
    "vln/HousesLongFine-v2": "houses-long-fine",
}
HABITAT_IDS = {name.replace("vln/", "vln/Habitat"): task for name, task in HOUSES_IDS.items()}
IDS = (*GRAPH_IDS, *HOUSES_IDS, *HABITAT_IDS)

for _name, _task in {**GRAPH_IDS, **HOUSES_IDS, **HABITAT_IDS}.items():
    gymnasium.register(
        _name,
        entry_point="envs.make:make_single_env",
        vector_entry_point="envs.make:make_env",
        kwargs={"task": _task, **({"simulator": "habitat"} if _name in HABITAT_IDS else {})},
    )
