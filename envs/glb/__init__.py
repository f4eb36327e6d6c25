"""Reading scenes from GLB and glTF files, and writing them with the files that habitat-sim needs."""

from dataclasses import replace
from pathlib import Path

from envs.glb import habitat, house
from envs.glb.stage import Up, find_stage
from envs.scene import Scene


def load_glb(path: Path | str, up: Up | None = None, scale: float | None = None) -> Scene:
    """Load a scene from a GLB or glTF file; converts to metres with y up.

    Colours are base colour factors times vertex colours times 255, and texels as stored, without lighting or gamma
    correction, as in habitat-sim without lights. Normals and metalness are ignored. With `alphaMode` MASK, texels below
    the cutoff are not drawn; the alpha of a triangle is the mean of its corners. A triangle without any drawn texel is
    removed, also for collisions. BLEND is drawn opaque. Textures repeat, mirror or clamp as their samplers specify.
    Points and lines are skipped with a warning in the log. Draco, meshopt and KTX2 are not supported.

    The path may be a habitat `*.stage_config.json` that names the file; one of the same stem beside the file gives its
    axes and units as well. Without one, up is y, as in the glTF standard (habitat-sim assumes z). `up` ("x", "-z", ...
    or a vector) and `scale`, metres per unit, override it; with a scale, implausible sizes are not refused.

    The scene is named after the file, and two-sided unless every material is one-sided.

    Raises:
        InputError: If the file is missing, truncated or not glTF; lacks triangles, textures or buffers; refers to
            files outside its folder; is compressed or requires an unsupported extension; has vertices or transforms
            that are not finite, too many triangles, or a size that is implausible in metres.
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
    """Write a scene for habitat-sim and other programs that read glTF; returns the GLB file.

    The files are `<name>.glb` (one mesh per texture, unlit materials, vertex colours), `<name>.stage_config.json`,
    habitat's semantic description (`<name>.semantic.glb`, `<name>.semantic.txt`) and `<name>.house.json`, from which
    `load_glb` restores an identical scene. Equal scenes give equal bytes.
    """
    from envs.glb import save

    return save.save(scene, Path(folder))


def is_saved(scene: Scene, folder: Path | str) -> bool:
    """Return whether the folder has all files that `save_glb` writes for exactly this scene."""
    from envs.glb import save

    return save.is_saved(scene, Path(folder))
