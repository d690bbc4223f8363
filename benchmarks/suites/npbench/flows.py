"""Flows and weather of npbench."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64, i32, index
from suites.case import Case

C, I, J, K, X, Y = gm.dims("C I J K X Y")  # noqa: E741


def source(rho, dt, dx, dy, u_right, u_left, u_up, u_down, v_right, v_left, v_up, v_down):
    """The right side of the pressure equation, from the velocities to the four sides."""
    ux = (u_right - u_left) / (2.0 * dx)
    vy = (v_up - v_down) / (2.0 * dy)
    uy_vx = (u_up - u_down) / (2.0 * dy) * ((v_right - v_left) / (2.0 * dx))
    return rho * (1.0 / dt * (ux + vy) - ux**2 - 2.0 * uy_vx - vy**2)


def relaxed(dx, dy, right, left, up, down, b):
    """One step of Jacobi's method for the pressure."""
    sides = 2.0 * (dx**2 + dy**2)
    return ((right + left) * dy**2 + (up + down) * dx**2) / sides - dx**2 * dy**2 / sides * b


def carried(here, right, left, up, down, u, v, dt, dx, dy, nu):
    """A velocity after a step without pressure: moved by (u, v), and spread."""
    moved = u * dt / dx * (here - left) + v * dt / dy * (here - down)
    spread = dt / dx**2 * (right - 2.0 * here + left) + dt / dy**2 * (up - 2.0 * here + down)
    return here - moved + nu * spread


def inner(a):
    """Inside of the grid: the middle, and its right, left, upper and lower neighbours."""
    return a[1:-1, 1:-1], a[1:-1, 2:], a[1:-1, :-2], a[2:, 1:-1], a[:-2, 1:-1]


def edge(a, column: int):
    """The same at the first or last column of a grid that goes on at its other side."""
    right, left = (a[1:-1, 1], a[1:-1, -1]) if column == 0 else (a[1:-1, 0], a[1:-1, -2])
    return a[1:-1, column], right, left, a[2:, column], a[:-2, column]


@gm.kernel
def cavity_flow(
    steps: i32, rounds: i32, u: f64[Y, X], v: f64[Y, X], dt: f64, dx: f64, dy: f64, p: f64[Y, X], rho: f64, nu: f64
):
    gm.requires(X > 2 and Y > 2)
    b = gm.zeros((Y, X), f64)
    for n in range(steps):
        un, vn = u.copy(), v.copy()
        b[1:-1, 1:-1] = source(rho, dt, dx, dy, *inner(u)[1:], *inner(v)[1:])
        for q in range(rounds):
            pn = p.copy()
            p[1:-1, 1:-1] = relaxed(dx, dy, *inner(pn)[1:], b[1:-1, 1:-1])
            p[:, -1] = p[:, -2]
            p[0] = p[1]
            p[:, 0] = p[:, 1]
            p[-1] = 0.0
        mid_u, mid_v = un[1:-1, 1:-1], vn[1:-1, 1:-1]
        _, right, left, up, down = inner(p)
        u[1:-1, 1:-1] = carried(*inner(un), mid_u, mid_v, dt, dx, dy, nu) - dt / (2.0 * rho * dx) * (right - left)
        v[1:-1, 1:-1] = carried(*inner(vn), mid_u, mid_v, dt, dx, dy, nu) - dt / (2.0 * rho * dy) * (up - down)
        u[0] = 0.0
        u[:, 0] = 0.0
        u[:, -1] = 0.0
        u[-1] = 1.0
        v[0] = 0.0
        v[-1] = 0.0
        v[:, 0] = 0.0
        v[:, -1] = 0.0


def cavity_flow_reference(
    steps: int, rounds: int, u: Any, v: Any, dt: float, dx: float, dy: float, p: Any, rho: float, nu: float
) -> None:
    b = np.zeros_like(p)
    for _ in range(steps):
        un, vn = u.copy(), v.copy()
        b[1:-1, 1:-1] = source(rho, dt, dx, dy, *inner(u)[1:], *inner(v)[1:])
        for _ in range(rounds):
            p[1:-1, 1:-1] = relaxed(dx, dy, *inner(p.copy())[1:], b[1:-1, 1:-1])
            p[:, -1] = p[:, -2]
            p[0] = p[1]
            p[:, 0] = p[:, 1]
            p[-1] = 0
        _, right, left, up, down = inner(p)
        mid = un[1:-1, 1:-1], vn[1:-1, 1:-1]
        u[1:-1, 1:-1] = carried(*inner(un), *mid, dt, dx, dy, nu) - dt / (2 * rho * dx) * (right - left)
        v[1:-1, 1:-1] = carried(*inner(vn), *mid, dt, dx, dy, nu) - dt / (2 * rho * dy) * (up - down)
        for a in (u, v):
            a[0], a[-1], a[:, 0], a[:, -1] = 0, 0, 0, 0
        u[-1] = 1


def everywhere(action):
    """Runs an action for the inside and for the two columns at the sides."""
    for place, around in (
        ((slice(1, -1), slice(1, -1)), inner),
        ((slice(1, -1), -1), last),
        ((slice(1, -1), 0), first),
    ):
        action(place, around)


def first(a):
    return edge(a, 0)


def last(a):
    return edge(a, -1)


@gm.kernel
def channel_flow(
    rounds: i32, u: f64[Y, X], v: f64[Y, X], dt: f64, dx: f64, dy: f64, p: f64[Y, X], rho: f64, nu: f64, force: f64
) -> index:
    gm.requires(X > 2 and Y > 2)
    b = gm.zeros((Y, X), f64)
    difference: f64 = 1.0
    count = 0
    while difference > 0.001:
        un, vn = u.copy(), v.copy()

        def sources(place, around):
            b[place] = source(rho, dt, dx, dy, *around(u)[1:], *around(v)[1:])

        everywhere(sources)
        for q in range(rounds):
            pn = p.copy()

            def pressure(place, around):
                p[place] = relaxed(dx, dy, *around(pn)[1:], b[place])

            everywhere(pressure)
            p[-1] = p[-2]
            p[0] = p[1]

        def velocity(place, around):
            _, right, left, up, down = around(p)
            u[place] = (
                carried(*around(un), un[place], vn[place], dt, dx, dy, nu)
                - dt / (2.0 * rho * dx) * (right - left)
                + force * dt
            )
            v[place] = carried(*around(vn), un[place], vn[place], dt, dx, dy, nu) - dt / (2.0 * rho * dy) * (up - down)

        everywhere(velocity)
        u[0] = 0.0
        u[-1] = 0.0
        v[0] = 0.0
        v[-1] = 0.0
        difference = (u.sum() - un.sum()) / u.sum()
        count += 1
    return count


def channel_flow_reference(
    rounds: int, u: Any, v: Any, dt: float, dx: float, dy: float, p: Any, rho: float, nu: float, force: float
) -> int:
    b, difference, count = np.zeros_like(p), 1.0, 0
    places = [((slice(1, -1), slice(1, -1)), inner), ((slice(1, -1), -1), last), ((slice(1, -1), 0), first)]
    while difference > 0.001:
        un, vn = u.copy(), v.copy()
        for place, around in places:
            b[place] = source(rho, dt, dx, dy, *around(u)[1:], *around(v)[1:])
        for _ in range(rounds):
            pn = p.copy()
            for place, around in places:
                p[place] = relaxed(dx, dy, *around(pn)[1:], b[place])
            p[-1], p[0] = p[-2], p[1]
        for place, around in places:
            _, right, left, up, down = around(p)
            mid = un[place], vn[place]
            u[place] = carried(*around(un), *mid, dt, dx, dy, nu) - dt / (2 * rho * dx) * (right - left) + force * dt
            v[place] = carried(*around(vn), *mid, dt, dx, dy, nu) - dt / (2 * rho * dy) * (up - down)
        for a in (u, v):
            a[0], a[-1] = 0, 0
        difference = (u.sum() - un.sum()) / u.sum()
        count += 1
    return count


@gm.kernel
def hdiff(field: f64[I + 4, J + 4, K], out: f64[I, J, K], coeff: f64[I, J, K]):
    around = field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    lap = (4.0 * field[1:-1, 1:-1] - around).copy()
    rx = lap[1:, 1:-1] - lap[:-1, 1:-1]
    flx = gm.where(rx * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0.0, 0.0, rx)
    ry = lap[1:-1, 1:] - lap[1:-1, :-1]
    fly = gm.where(ry * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0.0, 0.0, ry)
    out[:] = field[2:-2, 2:-2] - coeff * (flx[1:] - flx[:-1] + fly[:, 1:] - fly[:, :-1])


def hdiff_reference(field: Any, out: Any, coeff: Any) -> None:
    lap = 4 * field[1:-1, 1:-1] - field[2:, 1:-1] - field[:-2, 1:-1] - field[1:-1, 2:] - field[1:-1, :-2]
    rx, ry = np.diff(lap, axis=0)[:, 1:-1], np.diff(lap, axis=1)[1:-1]
    flx = np.where(rx * np.diff(field, axis=0)[1:-1, 2:-2] > 0, 0, rx)
    fly = np.where(ry * np.diff(field, axis=1)[2:-2, 1:-1] > 0, 0, ry)
    out[:] = field[2:-2, 2:-2] - coeff * (np.diff(flx, axis=0) + np.diff(fly, axis=1))


@gm.kernel
def vadv(
    utens_stage: f64[I, J, K],
    u_stage: f64[I, J, K],
    wcon: f64[I + 1, J, K],
    u_pos: f64[I, J, K],
    utens: f64[I, J, K],
    dtr: f64,
):
    """Vertical advection: a tridiagonal solve along the last axis."""
    gm.requires(K > 1)
    ccol = gm.empty((I, J, K), f64)
    dcol = gm.empty((I, J, K), f64)
    gcv = 0.25 * (wcon[1:, :, 1] + wcon[:-1, :, 1])
    bcol = dtr - 0.5 * gcv
    step = -(0.5 * gcv) * (u_stage[:, :, 1] - u_stage[:, :, 0])
    ccol[:, :, 0] = 0.5 * gcv / bcol
    dcol[:, :, 0] = (dtr * u_pos[:, :, 0] + utens[:, :, 0] + utens_stage[:, :, 0] + step) / bcol
    for k in range(1, K - 1):
        gav = -0.25 * (wcon[1:, :, k] + wcon[:-1, :, k])
        gcv = 0.25 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
        acol = 0.5 * gav
        down = -acol * (u_stage[:, :, k - 1] - u_stage[:, :, k])
        up = -(0.5 * gcv) * (u_stage[:, :, k + 1] - u_stage[:, :, k])
        d = dtr * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k] + (down + up)
        divided = 1.0 / (dtr - acol - 0.5 * gcv - ccol[:, :, k - 1] * acol)
        ccol[:, :, k] = 0.5 * gcv * divided
        dcol[:, :, k] = (d - dcol[:, :, k - 1] * acol) * divided
    acol = 0.5 * (-0.25 * (wcon[1:, :, -1] + wcon[:-1, :, -1]))
    step = -acol * (u_stage[:, :, -2] - u_stage[:, :, -1])
    d = dtr * u_pos[:, :, -1] + utens[:, :, -1] + utens_stage[:, :, -1] + step
    dcol[:, :, -1] = (d - dcol[:, :, -2] * acol) / (dtr - acol - ccol[:, :, -2] * acol)
    data = dcol[:, :, -1].copy()
    utens_stage[:, :, -1] = dtr * (data - u_pos[:, :, -1])
    for k in range(K - 2, -1, -1):
        data[:] = dcol[:, :, k] - ccol[:, :, k] * data
        utens_stage[:, :, k] = dtr * (data - u_pos[:, :, k])


def vadv_reference(utens_stage: Any, u_stage: Any, wcon: Any, u_pos: Any, utens: Any, dtr: float) -> None:
    """Each column's tridiagonal system, solved as a whole."""
    n_i, n_j, _ = utens_stage.shape
    mean = 0.25 * (wcon[1:] + wcon[:-1])
    for i, j in np.ndindex(n_i, n_j):
        a = np.concatenate([[0.0], -0.5 * mean[i, j, 1:]])
        c = np.concatenate([0.5 * mean[i, j, 1:], [0.0]])
        u = u_stage[i, j]
        right = dtr * u_pos[i, j] + utens[i, j] + utens_stage[i, j]
        right[1:] += -a[1:] * (u[:-1] - u[1:])
        right[:-1] += -c[:-1] * (u[1:] - u[:-1])
        matrix = np.diag(dtr - a - c) + np.diag(a[1:], -1) + np.diag(c[:-1], 1)
        utens_stage[i, j] = dtr * (np.linalg.solve(matrix, right) - u_pos[i, j])


def _flow(rng: np.random.Generator, X: int, Y: int, steps: int, rounds: int) -> tuple[Any, ...]:
    u, v, p = (np.zeros((Y, X)) for _ in range(3))
    return steps, rounds, u, v, 0.1 / X / Y, 2 / (X - 1), 2 / (Y - 1), p, 1.0, 0.1


def _channel(rng: np.random.Generator, X: int, Y: int, rounds: int) -> tuple[Any, ...]:
    u, v, p = np.zeros((Y, X)), np.zeros((Y, X)), np.ones((Y, X))
    return rounds, u, v, 0.1 / (X / 2 - 1) / (Y / 2 - 1), 2 / (X - 1), 2 / (Y - 1), p, 1.0, 0.1, 1.0


def _hdiff(rng: np.random.Generator, I: int, J: int, K: int) -> tuple[Any, ...]:  # noqa: E741
    return rng.random((I + 4, J + 4, K)), rng.random((I, J, K)), rng.random((I, J, K))


def _vadv(rng: np.random.Generator, I: int, J: int, K: int) -> tuple[Any, ...]:  # noqa: E741
    a, b, d, e = (rng.random((I, J, K)) for _ in range(4))
    return a, b, rng.random((I + 1, J, K)), d, e, 3.0 / 20.0


GRID, LARGER = {"I": 4, "J": 5, "K": 3}, {"I": 24, "J": 20, "K": 12}
CASES = [
    Case(
        "cavity_flow",
        cavity_flow,
        _flow,
        cavity_flow_reference,
        {"X": 6, "Y": 7, "steps": 3, "rounds": 3},
        {"X": 31, "Y": 31, "steps": 25, "rounds": 5},
    ),
    Case(
        "channel_flow",
        channel_flow,
        _channel,
        channel_flow_reference,
        {"X": 6, "Y": 7, "rounds": 2},
        {"X": 31, "Y": 31, "rounds": 5},
        rtol=1e-7,
    ),
    Case("hdiff", hdiff, _hdiff, hdiff_reference, GRID, LARGER),
    Case("vadv", vadv, _vadv, vadv_reference, GRID, LARGER, rtol=1e-8),
]
