"""The worlds: simulators behind one protocol, and Gymnasium environments. Importing this registers the ids.

Conventions: metres and radians. The graph simulator keeps Matterport's frame (z up, headings clockwise from +y);
continuous worlds are y-up and right-handed, heading 0 looks along -z and turning left increases it.
"""

import gymnasium

IDS = {"vln/GraphPanoramic-v0": "panoramic", "vln/GraphLowLevel-v0": "low-level"}

for _name, _kind in IDS.items():
    gymnasium.register(
        _name,
        entry_point="envs.registry:make_graph",
        vector_entry_point="envs.registry:make_graph_vector",
        kwargs={"kind": _kind},
    )
