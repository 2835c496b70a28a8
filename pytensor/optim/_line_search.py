"""The line search of L-BFGS, after Mark Schmidt's minFunc (https://www.cs.ubc.ca/~schmidtm/Software/minFunc.html)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytensor.tensor import Tensor

__all__ = ["strong_wolfe"]

DECREASE, CURVATURE = 1e-4, 0.9  # the constants of Wolfe's two conditions


@dataclass
class Point:
    """A step size with the loss, the gradient and the slope along the direction there."""

    t: float
    f: float
    g: Tensor
    slope: float


def interpolate(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds (default: between them)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = square**0.5
    if a.t > b.t:
        a, b = b, a
    place = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(place, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    t: float,
    d: Tensor,
    f: float,
    g: Tensor,
    slope: float,
    tolerance: float,
    limit: int,
) -> tuple[float, Tensor, float, int]:
    """A step size along ``d`` that meets the strong Wolfe conditions, if ``limit`` evaluations find one.

    ``evaluate(t)`` returns loss and gradient there; ``f``, ``g``, ``slope`` are those at 0. Returns loss, gradient,
    step size and the number of evaluations.
    """

    def point(t: float) -> Point:
        f, g = evaluate(t)
        return Point(t, f, g.clone(), float(g.dot(d)))

    start = Point(0, f, g.clone(), slope)
    bracket, done, rounds = _bracket(point, start, t, limit)
    evaluations = rounds + 1
    width = float(d.abs().max())
    stuck = False
    while not done and rounds < limit:
        low, high = sorted(p.t for p in bracket)
        if (high - low) * width < tolerance:
            break
        best, other = _ordered(bracket)
        t, stuck = _away_from_ends(interpolate(*bracket), low, high, stuck)
        new = point(t)
        evaluations += 1
        rounds += 1
        place = next(i for i, p in enumerate(bracket) if p is best)
        if new.f > f + DECREASE * t * slope or new.f >= best.f:
            bracket[1 - place] = new
        else:
            if abs(new.slope) <= -CURVATURE * slope:
                done = True
            elif new.slope * (other.t - best.t) >= 0:
                bracket[1 - place] = best
            bracket[place] = new
            if done:
                return new.f, new.g, new.t, evaluations
    found = _ordered(bracket)[0]
    return found.f, found.g, found.t, evaluations


def _ordered(bracket: list[Point]) -> tuple[Point, Point]:
    """The point with the lower loss, and the other."""
    return (bracket[0], bracket[-1]) if bracket[0].f <= bracket[-1].f else (bracket[-1], bracket[0])


def _bracket(point: Callable[[float], Point], start: Point, t: float, limit: int) -> tuple[list[Point], bool, int]:
    """Steps out until a minimum lies between two points, or a point meets the conditions (then it is alone)."""
    previous, new = start, point(t)
    rounds = 0
    while rounds < limit:
        too_high = new.f > start.f + DECREASE * new.t * start.slope or (rounds > 1 and new.f >= previous.f)
        if too_high:
            return [previous, new], False, rounds
        if abs(new.slope) <= -CURVATURE * start.slope:
            return [new], True, rounds
        if new.slope >= 0:
            return [previous, new], False, rounds
        t = interpolate(previous, new, (new.t + 0.01 * (new.t - previous.t), new.t * 10))
        previous, new = new, point(t)
        rounds += 1
    return [start, new], False, rounds


def _away_from_ends(t: float, low: float, high: float, stuck: bool) -> tuple[float, bool]:
    """A second trial in a row close to an end of the bracket (or one at it) moves a tenth of it away from there."""
    margin = 0.1 * (high - low)
    if not min(high - t, t - low) < margin:
        return t, False
    if stuck or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True
