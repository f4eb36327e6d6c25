"""Compile the simulator of houses, which takes a minute, once and for all: `python -m envs.warm`.

What is compiled is kept on disk beside the sources; numba compiles again what has changed.
"""

import multiprocessing

import numpy as np

SIZE = 16


def warm_navigation() -> None:
    """Make the tasks of a house and walk through one of them, as everything that navigates does."""
    from envs.continuous import HousesSimulator, SceneCache, Sensors
    from envs.environment import NavigationVectorEnv
    from envs.houses import house_name
    from envs.houses.dataset import house_rows
    from vln.episodes import Episode
    from vln.language import Vocabulary

    task = house_rows("houses-short", "train", 0, 0)[0]
    positions = tuple(tuple(position) for position in task["positions"])
    episode = Episode("warm", house_name(0), "train", "go", (), task["heading"], (), positions)
    vocabulary = Vocabulary.build(["go"], 1)
    simulator = HousesSimulator(Sensors(rgb=False, depth=False), scenes=SceneCache(drawn=False))
    env = NavigationVectorEnv(simulator, [episode], vocabulary, 1)
    _, infos = env.reset(seed=0)
    for _ in range(3):
        infos = env.step(infos["expert"])[4]
    env.step(np.array([1]))


def warm_renderer() -> None:
    """Draw a house with everything that can be drawn."""
    from envs.houses import make_house
    from envs.render import Camera, Renderer, pack

    scene = make_house(0)
    packed = pack(scene, np.zeros(1 + len(scene.objects), np.uint8))
    renderer = Renderer(Camera(SIZE, SIZE), 1)
    renderer.render([packed], np.array([[2.0, 1.25, 2.0]]), np.zeros(1), semantic=True, category=True)


def main() -> None:
    """Compile both parts side by side."""
    processes = [multiprocessing.get_context("spawn").Process(target=part) for part in (warm_navigation, warm_renderer)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
