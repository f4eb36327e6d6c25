"""Scenes from any GLB or glTF file, and back with all that habitat-sim needs beside it."""

from dataclasses import replace
from pathlib import Path

from envs.glb import habitat, house
from envs.glb.stage import Up, find_stage
from envs.scene import Scene


def load_glb(path: Path | str, up: Up | None = None, scale: float | None = None) -> Scene:
    """A scene from any GLB or glTF file, in our frame: metres, y up.

    Colours are base colour factors and vertex colours times 255 and texels as they are stored: nothing is lit and no
    gamma is applied, as in habitat-sim without lights. Normals and metalness are left out. Where `alphaMode` is MASK,
    texels below the cutoff are not drawn, by the mean alpha of a triangle's corners, and a triangle without any
    drawn texel is nothing to bump into; BLEND is drawn opaque. Textures repeat, mirror or end as their samplers say.
    Points and lines are left out, which is logged. Draco, meshopt and KTX2 are not read.

    Args:
        path: The file, or a habitat `*.stage_config.json` that names it. One of the same stem beside the file tells its
            axes; without one up is y, as glTF says (habitat-sim takes z).
        up: Axis of the file that points up, "x", "-z", ... or a vector; goes before the stage_config.
        scale: Metres per unit; goes before the stage_config, and sizes that look wrong are believed.

    Returns:
        The scene, named after the file. Both sides of its triangles are drawn unless every material says otherwise.

    Raises:
        InputError: If the file is missing, truncated, no GLB or glTF, lacks triangles, textures or buffers, refers to
            files outside its folder, is compressed, requires an extension that is not read, has vertices or places
            that are not finite, too many triangles, or the size of something not measured in metres.
    """
    from envs.glb.load import load_mesh  # generated houses do not need it

    stage = find_stage(Path(path), up, scale)
    scene = load_mesh(stage)
    beside = {end: stage.asset.with_name(stage.asset.stem + end) for end in (house.SUFFIX, *habitat.SUFFIXES)}
    if beside[house.SUFFIX].is_file():
        return house.restore(scene, stage, beside[house.SUFFIX])
    mesh, text = (beside[end] for end in habitat.SUFFIXES)
    if mesh.is_file() and text.is_file():
        return habitat.label(scene, load_mesh(replace(stage, asset=mesh)), text)
    return scene


def save_glb(scene: Scene, folder: Path | str) -> Path:
    """Write a scene for habitat-sim and any other program that reads glTF.

    Beside `<name>.glb` (a mesh for each texture, unlit materials, vertex colours) go `<name>.stage_config.json`,
    habitat's semantic description (`<name>.semantic.glb`, `<name>.semantic.txt`) and `<name>.house.json`, from which
    `load_glb` restores the very scene. The same scene gives the same bytes.

    Args:
        scene: What to write.
        folder: Where to; created if need be.

    Returns:
        The GLB file.

    Raises:
        InputError: If the folder cannot be written.
    """
    from envs.glb import save

    return save.save(scene, Path(folder))


def is_saved(scene: Scene, folder: Path | str) -> bool:
    """Whether `save_glb` has written this very scene to the folder, all of it."""
    from envs.glb import save

    return save.is_saved(scene, Path(folder))
