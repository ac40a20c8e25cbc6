"""Landscapes in two seasons: a scene is a handful of numbers, and summer and winter are two renderings of it.

So the true translation of every picture is known. Winter has other colours, snow, bare branches and a lower sun, and
nothing else changes, but for two things that can be switched on. `flowers` stand on the meadow in summer, and snow
hides them: winter then holds less than summer. `paint` gives the house one of two colours in each season, equally
often: a map that swaps them sends the one distribution to the other just as well as the true one does.

Lengths are in widths of the picture, x to the right, y down.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = tuple[float, float, float] | Array  # in [0, 1]; an array broadcasts to [N, 3, S, S]

TREES, FLOWERS, CHUNK = 3, 14, 64
SEASONS = ("summer", "winter")
PAINT = {  # wall colours; either of winter is as far from either of summer, so that no swap is the easier map
    "summer": np.array([[0.82, 0.57, 0.40], [0.42, 0.71, 0.73]], np.float32),
    "winter": np.array([[0.51, 0.66, 0.44], [0.71, 0.50, 0.75]], np.float32),
}
PLAIN = {"summer": (0.90, 0.80, 0.62), "winter": (0.72, 0.64, 0.58)}
# N scenes, S side of a picture, T trees


class Scenes(NamedTuple):
    """The numbers of N scenes, each [N], [N, T] for trees, or [N, FLOWERS] for flowers."""

    light: Array  # 0 morning to 1 noon
    sun: Array  # [N, 2]: x, height over the horizon
    horizon: Array
    far: Array  # [N, 3]: height of the far hills, their frequency and phase
    near: Array  # [N, 3]: the same for the near ones
    lake: Array  # [N, 3]: x, y, radius
    house: Array  # [N, 3]: x, y of the base, width
    path: Array  # [N, 2]: where it leaves the picture, how far it bends
    tree: Array  # [N, T, 3]: x, y of the foot, height
    flower: Array  # [N, FLOWERS, 3]: x, y, hue; none grow where hue is negative
    paint: NDArray[np.int64]  # 0 or 1, or −1 for a house of one colour everywhere


def scenes(count: int, seed: int, flowers: bool = False, paint: bool = False) -> Scenes:
    """Scenes drawn independently, the same for the same seed; the switches change nothing else in them."""
    if count < 1:
        raise ValueError(f"count is {count}: at least one scene is needed.")
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float, *size: int) -> Array:
        return rng.uniform(low, high, (count, *size)).astype(np.float32)

    def columns(*bounds: tuple[float, float]) -> Array:
        return np.stack([draw(*each) for each in bounds], axis=1)

    left = rng.random(count) < 0.5  # the house on one side, the lake on the other
    side = np.where(left, 0.26, 0.74).astype(np.float32)
    house = np.stack([side + draw(-0.07, 0.07), draw(0.66, 0.72), draw(0.17, 0.23)], axis=1)
    lake = np.stack([1 - side + draw(-0.08, 0.08), draw(0.80, 0.88), draw(0.17, 0.26)], axis=1)
    foot = np.sort(draw(0.60, 0.72, TREES), axis=1)  # from far to near
    tree = np.stack([_clear_of(house, draw(0, 1, TREES)), foot, draw(0.20, 0.32, TREES)], axis=2)
    flower = np.stack([draw(0.02, 0.98, FLOWERS), draw(0.68, 0.98, FLOWERS), draw(0, 1, FLOWERS)], axis=2)
    return Scenes(
        light=draw(0, 1),
        sun=columns((0.12, 0.88), (0.24, 0.36)),
        horizon=draw(0.46, 0.54),
        far=columns((0.10, 0.20), (0.7, 1.6), (0, 6.28)),
        near=columns((0.04, 0.09), (0.6, 1.2), (0, 6.28)),
        lake=lake,
        house=house,
        path=columns((0.30, 0.70), (-0.10, 0.10)),
        tree=tree.astype(np.float32),
        flower=flower if flowers else np.full_like(flower, -1),
        paint=rng.integers(0, 2, count) if paint else np.full(count, -1),
    )


def _clear_of(house: Array, share: Array) -> Array:
    """Places from 0.05 to 0.95 that leave the house in sight, for shares in [0, 1], [N, T]."""
    low = (house[:, :1] - 0.2).clip(min=0.05)
    gap = (house[:, :1] + 0.2).clip(max=0.95) - low
    x = 0.05 + share * (0.9 - gap)
    return x + np.where(x > low, gap, 0)


def render(these: Scenes, season: str, size: int = 32) -> NDArray[np.uint8]:
    """Pictures [N, 3, S, S] in 0..255 of the scenes in "summer" or "winter"."""
    return np.concatenate([_bytes(_landscape(part, season, size)[0]) for part in _chunks(these)])


def masks(these: Scenes, size: int = 32) -> dict[str, NDArray[np.bool_]]:
    """Which pixels show sky, hills, meadow, lake, path, house, trees: [N, S, S] each, one object a pixel.

    They are the same in both seasons: a tree's are those within the outline of its crown or its trunk.
    """
    labels = np.concatenate([_landscape(part, "summer", size)[1] for part in _chunks(these)])
    return {name: labels == i for i, name in enumerate(OBJECTS)}


OBJECTS = ("sky", "hills", "meadow", "lake", "path", "house", "trees")


def _chunks(these: Scenes) -> list[Scenes]:
    starts = range(0, len(these.light), CHUNK)
    return [Scenes(*(column[start : start + CHUNK] for column in these)) for start in starts]


def _bytes(picture: Array) -> NDArray[np.uint8]:
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


class _Canvas:
    """A picture [N, 3, S, S] that is painted over, and the object that each pixel shows [N, S, S]."""

    def __init__(self, count: int, size: int):
        centres = ((np.arange(size) + 0.5) / size).astype(np.float32)
        self.size, self.x, self.y = size, centres[None, None, :], centres[None, :, None]  # [1, 1, S], [1, S, 1]
        self.picture = np.zeros((count, 3, size, size), np.float32)
        self.labels = np.zeros((count, size, size), np.int8)

    def paint(self, outside: Array, colour: Colour, name: str = "", strength: float | Array = 1.0) -> None:
        """Lay a colour where the signed distance `outside` [N, S, S] is negative, soft over one pixel."""
        cover = (0.5 - outside * self.size).clip(0, 1) * strength  # [N, S, S]
        tint = np.asarray(colour, np.float32)
        change = (tint.reshape(1, 3, 1, 1) if tint.ndim == 1 else tint) - self.picture
        change *= cover[:, None]
        self.picture += change
        if name:
            self.labels[np.broadcast_to(outside < 0, self.labels.shape)] = OBJECTS.index(name)


def _landscape(s: Scenes, season: str, size: int) -> tuple[Array, NDArray[np.int8]]:
    """The picture, from back to front, and its labels."""
    if season not in SEASONS:
        raise ValueError(f"There is no season {season!r}: it is summer or winter.")
    if size < 16:
        raise ValueError(f"A picture of {size} pixels shows nothing: take at least 16.")
    canvas = _Canvas(len(s.light), size)
    for layer in (_sky, _hills, _meadow, _path, _lake, _house, _trees):
        layer(canvas, s, season == "winter")
    return canvas.picture, canvas.labels


def _col(values: Any) -> Array:
    """[N] as [N, 1, 1]."""
    return np.asarray(values, np.float32)[:, None, None]


def _mix(a: Colour, b: Colour, share: Array) -> Array:
    """A colour between two, [N, 3, …], for share [N, …]."""
    first, second = (np.asarray(c, np.float32).reshape(1, 3, *[1] * (share.ndim - 1)) for c in (a, b))
    return first + share[:, None] * (second - first)


def _disc(c: _Canvas, x: Array, y: Array, rx: Array | float, ry: Array | float) -> Array:
    """Roughly the signed distance to an ellipse."""
    return (np.sqrt(((c.x - x) / rx) ** 2 + ((c.y - y) / ry) ** 2) - 1) * np.minimum(rx, ry)


def _box(c: _Canvas, x: Array, y: Array, half_width: Array, half_height: Array) -> Array:
    return np.maximum(np.abs(c.x - x) - half_width, np.abs(c.y - y) - half_height)


def _sticks(c: _Canvas, x: Array, y: Array, ends: list[tuple[Array, Array]], thickness: Array) -> Array:
    """The signed distance to the nearest of the segments from (x, y) to (x + dx, y + dy)."""
    px, py = c.x - x, c.y - y
    nearest = np.full(np.broadcast_shapes(px.shape, py.shape), np.inf, np.float32)
    for dx, dy in ends:
        t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clip(0, 1)
        np.minimum(nearest, (px - t * dx) ** 2 + (py - t * dy) ** 2, out=nearest)
    return np.sqrt(nearest) - thickness


def _sky(c: _Canvas, s: Scenes, winter: bool) -> None:
    depth = (c.y / _col(s.horizon)).clip(0, 1)  # [N, S, 1]
    top, bottom = ((0.58, 0.66, 0.78), (0.90, 0.87, 0.88)) if winter else ((0.25, 0.55, 0.92), (0.78, 0.90, 0.98))
    dawn = (0.93, 0.74, 0.72) if winter else (0.99, 0.83, 0.62)
    early = 1 - _col(s.light)
    sky = _mix(top, bottom, depth) + (0.75 * early * depth**2)[:, None] * (
        np.asarray(dawn, np.float32).reshape(1, 3, 1, 1) - _mix(top, bottom, depth)
    )
    c.picture[:] = sky
    height = s.sun[:, 1] * (0.62 if winter else 1.0)
    x, y = _col(s.sun[:, 0]), _col(s.horizon - height)
    glow = _disc(c, x, y, 0.2, 0.2)
    c.paint(glow, (1.0, 0.95, 0.85), strength=0.8 * (-glow / 0.2).clip(0, 1) ** 2)
    c.paint(_disc(c, x, y, 0.06, 0.06), (0.98, 0.93, 0.86) if winter else (1.0, 0.92, 0.45), "sky")


def _hills(c: _Canvas, s: Scenes, winter: bool) -> None:
    for numbers, lift, summer_colour, winter_colour in (
        (s.far, 0.0, (0.45, 0.58, 0.62), (0.76, 0.80, 0.88)),
        (s.near, 0.06, (0.36, 0.57, 0.34), (0.86, 0.89, 0.94)),
    ):
        height, frequency, phase = (_col(column) for column in numbers.T)
        wave = 0.6 + 0.4 * np.sin(6.28 * frequency * c.x + phase)  # [N, 1, S]
        ridge = _col(s.horizon) + lift - height * wave
        below = ridge - c.y
        c.paint(below, winter_colour if winter else summer_colour, "hills")
        shade = ((c.y - ridge) / 0.16).clip(0, 1)  # darker, or less white, towards the foot
        c.paint(below, (0.58, 0.66, 0.78) if winter else (0.24, 0.42, 0.30), strength=0.5 * shade)


def _meadow(c: _Canvas, s: Scenes, winter: bool) -> None:
    edge = _col(s.horizon) + 0.10 + 0.015 * np.sin(9 * c.x + _col(s.near[:, 2]))
    below = edge - c.y
    depth = ((c.y - edge) / 0.45).clip(0, 1)
    back, front = ((0.80, 0.85, 0.93), (0.97, 0.98, 1.0)) if winter else ((0.50, 0.70, 0.32), (0.34, 0.60, 0.22))
    c.paint(below, _mix(back, front, np.broadcast_to(depth, (len(s.light), c.size, c.size))), "meadow")
    if winter:
        return  # snow lies on the flowers
    hues = np.array([[0.98, 0.85, 0.20], [0.93, 0.30, 0.35], [0.97, 0.97, 0.99]], np.float32)
    for x, y, hue in s.flower.transpose(1, 2, 0):
        colour = hues[(hue.clip(0, 0.999) * 3).astype(int)][:, :, None, None]
        radius = _col(0.012 + 0.010 * (y - 0.68) / 0.30)
        c.paint(_disc(c, _col(x), _col(y), radius, radius), colour, strength=_col(hue >= 0))


def _path(c: _Canvas, s: Scenes, winter: bool) -> None:
    x, y, width = (_col(column) for column in s.house.T)
    exit_x, bend = (_col(column) for column in s.path.T)
    t = ((c.y - y) / (1 - y)).clip(0, 1)
    centre = x + (exit_x - x) * t + bend * np.sin(3.14 * t)
    outside = np.maximum(np.abs(c.x - centre) - (0.25 * width + 0.05 * t) / 1.6, y - c.y)
    c.paint(outside, (0.70, 0.72, 0.76) if winter else (0.80, 0.70, 0.50), "path")


def _lake(c: _Canvas, s: Scenes, winter: bool) -> None:
    x, y, radius = (_col(column) for column in s.lake.T)
    outside = _disc(c, x, y, radius, radius * 0.36)
    c.paint(outside - 0.012, (0.88, 0.92, 0.97) if winter else (0.72, 0.68, 0.46))  # its shore
    c.paint(outside, (0.66, 0.78, 0.88) if winter else (0.22, 0.48, 0.76), "lake")
    shine = _disc(c, x - 0.25 * radius, y - 0.10 * radius, radius * 0.45, radius * 0.06)
    c.paint(shine, (0.90, 0.95, 1.0) if winter else (0.60, 0.78, 0.94), strength=0.8)


def _house(c: _Canvas, s: Scenes, winter: bool) -> None:
    x, base, width = (_col(column) for column in s.house.T)
    half, tall = width / 2, width * 0.62
    season = SEASONS[winter]
    painted = PAINT[season][s.paint.clip(0)]  # [N, 3]
    walls = np.where((s.paint < 0)[:, None], np.asarray(PLAIN[season], np.float32), painted)[:, :, None, None]
    c.paint(_box(c, x, base - tall / 2, half, tall / 2), walls, "house")
    c.paint(_box(c, x + half * 0.55, base - tall / 2, half * 0.45, tall / 2), walls * 0.86)  # in the shade
    eaves, ridge = half * 1.25, width * 0.50
    above = base - tall - c.y
    roof = np.maximum((np.abs(c.x - x) / eaves + above / ridge - 1) * 0.7 * np.minimum(eaves, ridge), -above)
    c.paint(roof, (0.93, 0.95, 0.99) if winter else (0.66, 0.26, 0.20), "house")
    if winter:  # a dark edge holds the snow
        c.paint(np.maximum(roof, above - 0.018), (0.45, 0.33, 0.32))
    c.paint(_box(c, x - half * 0.1, base - tall * 0.30, half * 0.20, tall * 0.30), (0.36, 0.22, 0.16))
    c.paint(
        _box(c, x + half * 0.55, base - tall * 0.62, half * 0.17, tall * 0.16),
        (0.98, 0.86, 0.45) if winter else (0.30, 0.40, 0.50),
    )


def _trees(c: _Canvas, s: Scenes, winter: bool) -> None:
    for x, foot, height in (map(_col, column) for column in s.tree.transpose(1, 2, 0)):
        wood = (0.32, 0.25, 0.23) if winter else (0.40, 0.27, 0.16)
        radius, top = height * 0.32, foot - height
        crown_y = top + radius * 1.15
        c.paint(
            _disc(c, x, foot, height * 0.30, height * 0.05),
            (0.62, 0.70, 0.82) if winter else (0.20, 0.38, 0.14),
            strength=0.6,
        )
        crown = _crown(c, x, crown_y, radius)
        trunk = _box(c, x, foot - height * 0.25, height * 0.045, height * 0.25)
        c.paint(trunk, wood, "trees")
        c.labels[crown < 0] = OBJECTS.index("trees")
        if winter:
            _branches(c, x, crown_y, radius, height, wood)
            continue
        c.paint(crown, (0.17, 0.42, 0.15))
        lit = _crown(c, x - radius * 0.22, crown_y - radius * 0.24, radius * 0.68)
        c.paint(lit, (0.32, 0.58, 0.22), strength=0.9)


def _crown(c: _Canvas, x: Array, y: Array, radius: Array) -> Array:
    """Three round tufts."""
    tufts = [(0.0, -0.35, 0.80), (-0.48, 0.25, 0.66), (0.48, 0.25, 0.66)]
    parts = [_disc(c, x + dx * radius, y + dy * radius, r * radius, r * radius) for dx, dy, r in tufts]
    return np.minimum(np.minimum(parts[0], parts[1]), parts[2])


def _branches(c: _Canvas, x: Array, y: Array, radius: Array, height: Array, wood: Colour) -> None:
    """Five limbs that reach as far as the crown did, with snow on them."""
    start, thin = y + radius * 0.75, height * 0.022
    limbs = [(-0.95, -0.75), (0.95, -0.75), (-0.55, -1.45), (0.55, -1.45), (0.0, -1.8)]
    ends = [(dx * radius, dy * radius) for dx, dy in limbs]
    c.paint(_sticks(c, x, start, ends, thin), wood)
    c.paint(_sticks(c, x, start - thin * 1.5, ends, thin * 0.55), (0.95, 0.97, 1.0), strength=0.85)
