"""Pictures of a body for people: a map from above, and the camera's view beside it.

Simulators import this module with the first picture, because matplotlib, whose colour maps it uses, loads slowly.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from vln.floors import Floors, find_floors
from vln.graph import NavigationGraph
from vln.replay import style
from vln.replay.layout import Window
from vln.replay.minimap import PAPER, Chart, Mark, graph_chart, plan_chart
from vln.replay.plan import FloorPlan, pose_on_map
from vln.trajectory import Pose

SIDE = 256  # pixels: side of a map, height of a view
WEIGHT = 2  # pixels: width of a thin line
FINE = 2  # supersampling: pixels drawn for each pixel shown, in each direction
AROUND = 1.0  # metres shown around a trail
KEPT = 64  # charts in the cache, half a megabyte each


class ChartCache:
    """A cache of the most recent charts of storeys."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Chart] = OrderedDict()

    def of_plan(self, name: str, plan: FloorPlan, storey: int) -> Chart:
        """Return the chart of a storey of the floor plan of scene `name`."""
        return self._get(name, storey, lambda: plan_chart(plan, storey, SIDE, SIDE, WEIGHT, FINE))

    def of_graph(self, graph: NavigationGraph, floors: Floors, storey: int) -> Chart:
        """Return the chart of a storey of a navigation graph."""
        return self._get(graph.scan, storey, lambda: graph_chart(graph, floors, storey, SIDE, WEIGHT, FINE))

    def _get(self, name: str, storey: int, draw: Callable[[], Chart]) -> Chart:
        key = name, storey
        if key not in self._kept:
            self._kept[key] = draw()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def draw_map(chart: Chart, trail: Sequence[Pose], reference: np.ndarray, goal: np.ndarray | None) -> np.ndarray:
    """Draw the map of a storey with the trail of a body, the demonstration and the goal, (SIDE, SIDE, 3) uint8.

    All are in map coordinates. The last pose of the trail is the present one; a demonstration (N, 3) that is withheld
    is (0, 3), and its goal None.
    """
    way = np.array([pose.position for pose in trail])
    marks = [Mark(reference, style.DEMONSTRATION), Mark(way, style.AGENTS[0], trail[-1])]
    return _centred(chart.marked(marks, goal))


def draw_trail(trail: Sequence[Pose]) -> np.ndarray:
    """Draw the path of a body where nothing else is known of the place, (SIDE, SIDE, 3) uint8."""
    shown = [pose if pose.viewpoint else pose_on_map(pose) for pose in trail]
    places = np.array([pose.position for pose in shown])
    (left, bottom, _), (right, top, _) = places.min(0) - AROUND, places.max(0) + AROUND
    plan = FloorPlan("", "", find_floors(places[:, 2]), Window(left, bottom, right, top))
    storey = int(plan.floors.of(places[-1, 2]))
    return draw_map(plan_chart(plan, storey, SIDE, SIDE, WEIGHT, FINE), shown, np.zeros((0, 3)), None)


def _centred(picture: np.ndarray) -> np.ndarray:
    """Pad a picture of at most SIDE x SIDE pixels to a square, centred."""
    sheet = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    height, width = picture.shape[:2]
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    sheet[top : top + height, left : left + width] = picture
    return sheet


def view_size(width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of the enlarged view of a camera; even numbers, as video codecs need."""
    return max(2, 2 * round(SIDE * width / height / 2)), SIDE


def enlarge_view(image: np.ndarray) -> np.ndarray:
    """Resize a camera image (H, W, 3) to `view_size`."""
    size = view_size(image.shape[1], image.shape[0])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
