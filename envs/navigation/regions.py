"""Watershed partitioning of the walkable area, as in Recast: outlines keep their corners where regions meet.

Regions grow from the places furthest from walls. Small ones are merged with a neighbour.
"""

import numba
import numpy as np

from envs.navigation.floors import Floors, chamfer

_SMALL = 400  # cells; regions up to this size are merged with a neighbour
_BATCH = 8  # levels sorted at a time
_EXPANSIONS = 8  # cells by which regions grow before new ones are created at a level


@numba.njit(cache=True)
def _blur(links: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Average distances over the neighbouring cells, except next to edges."""
    result = far.copy()
    for i in range(len(far)):
        if far[i] <= 2:
            continue
        total = far[i]
        for d in range(4):
            k = links[i, d]
            if k < 0:
                total += 2 * far[i]
                continue
            diagonal = links[k, (d + 1) % 4]
            total += far[k] + (far[diagonal] if diagonal >= 0 else far[i])
        result[i] = (total + 5) // 9
    return result


@numba.njit(cache=True)
def _expand(  # noqa: C901 - rings of a flood
    links: np.ndarray, regions: np.ndarray, away: np.ndarray, stack: list[int], most: int
) -> None:
    """Grow regions into the places of a stack, ring by ring; at most `most` rings, 0 for no limit.

    Places that get a region become -1 in the stack.
    """
    for n in range(len(stack)):
        if stack[n] >= 0 and regions[stack[n]] != 0:
            stack[n] = -1
    rings = 0
    found = [(0, 0, 0)][:0]
    while len(stack):
        found.clear()
        for n in range(len(stack)):
            i = stack[n]
            if i < 0:
                continue
            nearest, region = 1 << 20, 0
            for d in range(4):
                k = links[i, d]
                if k >= 0 and regions[k] > 0 and away[k] + 2 < nearest:
                    nearest, region = away[k] + 2, regions[k]
            if region:
                stack[n] = -1
                found.append((i, region, nearest))
        for i, region, nearest in found:
            regions[i], away[i] = region, nearest
        rings += 1
        if len(found) == 0 or rings == most:
            return


@numba.njit(cache=True)
def _other_region_near(links: np.ndarray, regions: np.ndarray, i: int, region: int) -> bool:
    """Return whether one of the eight neighbouring places has another region."""
    for d in range(4):
        k = links[i, d]
        if k < 0:
            continue
        if regions[k] != 0 and regions[k] != region:
            return True
        diagonal = links[k, (d + 1) % 4]
        if diagonal >= 0 and regions[diagonal] != 0 and regions[diagonal] != region:
            return True
    return False


@numba.njit(cache=True)
def _flood(
    links: np.ndarray, far: np.ndarray, regions: np.ndarray, away: np.ndarray, seed: int, level: int, region: int
) -> bool:
    """Create a region from a place and its surroundings at this level; returns False if another region is adjacent."""
    stack = [seed]
    regions[seed], away[seed] = region, 0
    least = max(level - 2, 0)
    size = 0
    while len(stack):
        i = stack.pop()
        if _other_region_near(links, regions, i, region):
            regions[i] = 0
            continue
        size += 1
        for d in range(4):
            k = links[i, d]
            if k >= 0 and far[k] >= least and regions[k] == 0:
                regions[k], away[k] = region, 0
                stack.append(k)
    return size > 0


@numba.njit(cache=True)
def _watershed(  # noqa: C901 - levels in batches
    links: np.ndarray, walkable: np.ndarray
) -> np.ndarray:
    """Return the region of each place, (N,) int32 from 1; 0 where not walkable."""
    far = chamfer(links, walkable)
    level = 0
    for i in range(len(far)):
        if walkable[i]:
            level = max(level, far[i])
    level = (level + 1) // 2 * 2
    far = _blur(links, far)
    regions, away = np.zeros(len(far), np.int32), np.zeros(len(far), np.int32)
    stacks = [[0][:0] for _ in range(_BATCH)]
    batch, region = -1, 1
    while level > 0:
        level = max(level - 2, 0)
        batch = (batch + 1) % _BATCH
        if batch == 0:
            for stack in stacks:
                stack.clear()
            for i in range(len(far)):
                later = level // 2 - far[i] // 2
                if walkable[i] and regions[i] == 0 and later < _BATCH:
                    stacks[max(later, 0)].append(i)
        else:
            for i in stacks[batch - 1]:
                if i >= 0 and regions[i] == 0:
                    stacks[batch].append(i)
        _expand(links, regions, away, stacks[batch], _EXPANSIONS if level > 0 else 0)
        for i in stacks[batch]:
            if i >= 0 and regions[i] == 0 and _flood(links, far, regions, away, i, level, region):
                region += 1
    rest = [0][:0]
    for i in range(len(far)):
        if walkable[i] and regions[i] == 0:
            rest.append(i)
    _expand(links, regions, away, rest, 0)
    return regions


@numba.njit(cache=True)
def _beyond(links: np.ndarray, regions: np.ndarray, i: int, d: int) -> int:
    """Return the region across a side of a place, 0 for a wall."""
    return regions[links[i, d]] if links[i, d] >= 0 else 0


@numba.njit(cache=True)
def _neighbours(links: np.ndarray, regions: np.ndarray, place: int, side: int) -> list[int]:
    """Return the regions along the outline of a region in order, 0 for walls, from one side of one of its places."""
    current = _beyond(links, regions, place, side)
    result = [current]
    i, d = place, side
    while True:
        across = _beyond(links, regions, i, d)
        if across != regions[i]:
            if across != current:
                current = across
                result.append(current)
            d = (d + 1) % 4
        else:
            i = links[i, d]
            d = (d + 3) % 4
        if i == place and d == side:
            return result


@numba.njit(cache=True)
def _survey(floors: Floors, regions: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]], list[tuple[int, int]]]:
    """Return sizes of regions, pairs (region, neighbour) in outline order, and pairs of regions above one another."""
    links = floors.links
    count = regions.max() + 1
    sizes, seen = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    around, stacked = [(0, 0)][:0], [(0, 0)][:0]
    for i in range(len(regions)):
        region = regions[i]
        if region == 0:
            continue
        sizes[region] += 1
        column = floors.column[i]
        for j in range(floors.start[column], floors.start[column + 1]):
            if j != i and regions[j] != 0 and (len(stacked) == 0 or stacked[-1] != (region, regions[j])):
                stacked.append((region, regions[j]))
        if seen[region]:
            continue
        for d in range(4):
            if _beyond(links, regions, i, d) != region:
                for other in _neighbours(links, regions, i, d):
                    around.append((region, other))
                seen[region] = True
                break
    return sizes, around, stacked


class _Merger:
    """Merges small regions with neighbours; the neighbours of a region are stored in the order of its outline."""

    def __init__(self, sizes: np.ndarray, around: list[tuple[int, int]], stacked: list[tuple[int, int]]) -> None:
        self.sizes = sizes.tolist()
        self.target = list(range(len(self.sizes)))
        self.around: list[list[int]] = [[] for _ in self.sizes]
        self.stacked: list[set[int]] = [set() for _ in self.sizes]
        for region, other in around:
            self.around[region].append(other)
        for region, other in stacked:
            self.stacked[region].add(other)
        for ring in self.around:
            _drop_repeats(ring)

    def run(self) -> np.ndarray:
        """Merge until nothing changes; returns the final region of each region, (count,) int32."""
        merged = True
        while merged:
            merged = False
            for region in range(1, len(self.sizes)):
                if self.target[region] == region and self.sizes[region] and self._merge_small(region):
                    merged = True
        return np.array([self._root(region) for region in range(len(self.sizes))], np.int32)

    def _root(self, region: int) -> int:
        while self.target[region] != region:
            region = self.target[region]
        return region

    def _merge_small(self, region: int) -> bool:
        """Merge a region with its smallest neighbour if it is small or touches no wall; returns whether it did."""
        if region in self.stacked[region] or (self.sizes[region] > _SMALL and 0 in self.around[region]):
            return False
        smallest, choice = 1 << 30, region
        for other in self.around[region]:
            if other == 0 or other in self.stacked[other]:
                continue
            if self.sizes[other] < smallest and self._fits(region, other) and self._fits(other, region):
                smallest, choice = self.sizes[other], other
        return choice != region and self._join(choice, region)

    def _fits(self, one: int, other: int) -> bool:
        return self.around[one].count(other) <= 1 and other not in self.stacked[one]

    def _join(self, target: int, region: int) -> bool:
        """Merge `region` into `target`, and their neighbour lists where they touch."""
        ours, theirs = self.around[target], self.around[region]
        if region not in ours or target not in theirs:
            return False
        a, b = ours.index(region), theirs.index(target)
        ring = ours[a + 1 :] + ours[:a] + theirs[b + 1 :] + theirs[:b]
        _drop_repeats(ring)
        self.around[target], self.around[region] = ring, []
        self.stacked[target] |= self.stacked[region]
        self.sizes[target] += self.sizes[region]
        self.sizes[region] = 0
        self.target[region] = target
        for other in {*ring, *ours, *theirs} - {0}:
            if region in self.around[other]:
                self.around[other] = [target if one == region else one for one in self.around[other]]
                _drop_repeats(self.around[other])
        for other in self.stacked[target]:
            if region in self.stacked[other]:
                self.stacked[other] = self.stacked[other] - {region} | {target}
        return True


def _drop_repeats(ring: list[int]) -> None:
    """Remove consecutive duplicates from a cyclic list in place."""
    i = 0
    while i < len(ring) and len(ring) > 1:
        if ring[i] == ring[(i + 1) % len(ring)]:
            del ring[i]
        else:
            i += 1


def find_regions(floors: Floors) -> np.ndarray:
    """Return the region of each place, (N,) int32; 0 where not walkable."""
    regions = _watershed(floors.links, floors.walkable)
    sizes, around, stacked = _survey(floors, regions)
    return _Merger(sizes, around, stacked).run()[regions]
