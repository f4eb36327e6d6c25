"""What people are shown of a body: the map from above, and beside it what the body sees.

Imported where a picture is first asked for, since matplotlib, whose colours maps have, takes a while to load.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from vln.floors import Floors
from vln.graph import NavigationGraph
from vln.replay import style
from vln.replay.minimap import PAPER, Chart, Mark, graph_chart, plan_chart
from vln.replay.plan import FloorPlan
from vln.trajectory import Pose

SIDE = 256  # pixels of a map, and of the height of a view
WEIGHT = 2  # pixels of a thin line
FINE = 2  # pixels drawn for each shown
KEPT = 64  # charts, half a megabyte each


class Charts:
    """Charts of storeys, drawn when first asked for; the latest are kept."""

    def __init__(self) -> None:
        """None yet."""
        self._kept: OrderedDict[tuple[str, int], Chart] = OrderedDict()

    def of_plan(self, name: str, plan: FloorPlan, storey: int) -> Chart:
        """A storey of a plan, by the name of its scene."""
        return self._get(name, storey, lambda: plan_chart(plan, storey, SIDE, SIDE, WEIGHT, FINE))

    def of_graph(self, graph: NavigationGraph, floors: Floors, storey: int) -> Chart:
        """A storey of a navigation graph."""
        return self._get(graph.scan, storey, lambda: graph_chart(graph, floors, storey, SIDE, WEIGHT, FINE))

    def _get(self, name: str, storey: int, draw: Callable[[], Chart]) -> Chart:
        key = name, storey
        if key not in self._kept:
            self._kept[key] = draw()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def map_picture(chart: Chart, trail: Sequence[Pose], reference: np.ndarray, goal: np.ndarray | None) -> np.ndarray:
    """The map of the storey that a body is on.

    Args:
        chart: The storey.
        trail: Poses so far in the frame of maps, the last one now.
        reference: (N, 3) the demonstration in the frame of maps; (0, 3) where it is withheld.
        goal: (3,) in the frame of maps; None where it is withheld.

    Returns:
        (SIDE, SIDE, 3) uint8.
    """
    way = np.array([pose.position for pose in trail])
    marks = [Mark(reference, style.DEMONSTRATION), Mark(way, style.AGENTS[0], trail[-1])]
    return _centred(chart.marked(marks, goal))


def _centred(picture: np.ndarray) -> np.ndarray:
    """A picture of at most SIDE pixels each way in the middle of a square sheet."""
    sheet = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    height, width = picture.shape[:2]
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    sheet[top : top + height, left : left + width] = picture
    return sheet


def view_size(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of the view of a camera of so many pixels; even, as videos want them."""
    return max(2, 2 * round(SIDE * width / height / 2)), SIDE


def enlarged(image: np.ndarray) -> np.ndarray:
    """What a small camera (H, W, 3) saw, as large as a view is."""
    size = view_size(image.shape[1], image.shape[0])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
