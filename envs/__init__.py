"""The worlds: simulators behind one protocol, and Gymnasium environments. Importing this registers the ids.

What changed from one version of the ids to the next is told in `docs/migration.md`.

Conventions: metres and radians. The graph simulator keeps Matterport's frame (z up, headings clockwise from +y);
continuous worlds are y-up and right-handed, heading 0 looks along -z and turning left increases it.
"""

import gymnasium

GRAPH_IDS = {"vln/GraphPanoramic-v1": "panoramic", "vln/GraphLowLevel-v1": "low-level"}
HOUSES_IDS = {"vln/HousesShort-v1": "houses-short", "vln/Houses-v1": "houses", "vln/HousesLong-v1": "houses-long"}
HABITAT_IDS = {name.replace("vln/", "vln/Habitat"): dataset for name, dataset in HOUSES_IDS.items()}
IDS = (*GRAPH_IDS, *HOUSES_IDS, *HABITAT_IDS)

for _ids, _make, _field in (
    (GRAPH_IDS, "envs.registry:make_graph", "kind"),
    (HOUSES_IDS, "envs.continuous.registry:make_houses", "dataset"),
    (HABITAT_IDS, "envs.habitat.registry:make_habitat_houses", "dataset"),
):
    for _name, _kind in _ids.items():
        gymnasium.register(_name, entry_point=_make, vector_entry_point=f"{_make}_vector", kwargs={_field: _kind})
