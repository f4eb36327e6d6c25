"""Scenes from any GLB or glTF file, and back with all that habitat-sim needs beside it."""

from pathlib import Path

from envs.glb.stage import Up, find_stage
from envs.scene import Scene


def load_glb(path: Path | str, up: Up | None = None, scale: float | None = None) -> Scene:
    """A scene from any GLB or glTF file, in our frame: metres, y up.

    Colours are base colour factors and vertex colours times 255 and texels as they are stored: nothing is lit and no
    gamma is applied, as in habitat-sim without lights. Normals, metalness and transparency are left out.

    Args:
        path: The file, or a habitat `*.stage_config.json` that names it. One of the same stem beside the file tells its
            axes; without one up is y, as glTF says (habitat-sim takes z).
        up: Axis of the file that points up, "x", "-z", ... or a vector; goes before the stage_config.
        scale: Metres per unit; goes before the stage_config, and sizes that look wrong are believed.

    Returns:
        The scene, named after the file. Both sides of its triangles are drawn unless every material says otherwise.

    Raises:
        InputError: If the file is missing, truncated, no GLB or glTF, lacks triangles, textures or buffers, has
            vertices that are not finite, too many triangles, or the size of something not measured in metres.
    """
    from envs.glb.load import load_mesh  # trimesh takes a second to import, and generated houses do not need it

    return load_mesh(find_stage(Path(path), up, scale))
