"""Native code of the neighbour search, on many structures at once.

``wrap`` brings the atoms of each periodic structure into its cell. ``search`` draws all atoms and images that
are within reach of the box around the atoms, in order of (neighbour, shift); where they are many it sorts
them into bins, those of one pencil along z behind one another in memory. Each centre then looks at the
pencils near it. It is called twice: rows are counted, then, with their places known, written.

Distances of wrapped atoms decide, except within ``slack`` of the cutoff, a bound on all their rounding: there
r² is evaluated from the positions as they were given, by the arithmetic of the reference. So the edges are
those of the reference, and an edge has its reverse.

A thread takes an equal share of the atoms and draws the images of the structures that it meets. A row is
written by one thread and does not depend on the others.
"""

from __future__ import annotations

import math
from collections import namedtuple

from atomscape.ops.jit.ascending import ascending
from atomscape.ops.jit.neighbour_layout import FAR, INFO, LONGEST, MISPLACED, PARTS, WRAP, WRITE
from atomscape.ops.jit.scalar import (
    LANES,
    doubles,
    ints,
    longs,
    lowest_of,
    native,
    number_of,
    within,
)

DIRECT = 800
"""Up to so many images are looked at one after the other; more are sorted into bins."""

BINS = 4
"""There are at most so many bins per image."""

FARTHEST = 2.0**30
"""Cells that an atom may be away from the one at the origin."""

SHORTEST = 1e-150
"""Å that a reach has at least: bins have a width, and its square is a number."""

Atoms = namedtuple("Atoms", "x cell dual offsets cutoff images rows y fraction moved info")
"""What is known per atom and structure. ``rows``: edges of each atom, then where they begin. ``info``: lowest
and highest fractions, lowest and highest corner of the box, reach, the two r² between which the arithmetic of
the reference decides, reach in cells."""

Points = namedtuple("Points", "x y z image")
"""Images in some order: coordinates and number."""

Room = namedtuple("Room", "drawn binned record home walk bin first runs found order")
"""Memory of one thread: images as they are drawn, and in the order of bins; (neighbour, shift) of each image;
each atom's own image; atoms in the order of bins; bin of each image, first image of each bin; begins and ends
of the pencils near a centre, the images that it has found, and these in order."""

Grid = namedtuple("Grid", "x y z wide deep high dx dy nx ny nz")
"""Bins: lowest corner, bins per Å, widths along x and y, number of bins in each direction."""


@native
def program(args, thread, threads):
    """Entry; ``args[13]`` is the step."""
    atoms = Atoms(
        doubles(args[0]),
        doubles(args[1]),
        doubles(args[2]),
        longs(args[3]),
        doubles(args[4])[0],
        longs(args[5]),
        longs(args[6]),
        doubles(args[7]),
        doubles(args[8]),
        ints(args[9]),
        doubles(args[10]),
    )
    structures, n = args[11], args[12]
    if args[13] == WRAP:
        for s in range(structures * thread // threads, structures * (thread + 1) // threads):
            start, stop = atoms.offsets[s], atoms.offsets[s + 1]
            if 0 <= start <= stop <= n and (s > 0 or start == 0) and (s + 1 < structures or stop == n):
                wrap(atoms, s, start, stop)
            else:
                atoms.images[s] = MISPLACED
    else:
        search(atoms, args, thread, threads)


@native
def wrap(atoms, s, start, stop):
    """Wrapped position, fractions and cells moved of each atom; info of the structure, and images at most.

    ``images`` is ``FAR`` if an atom is too far away to be wrapped, or nowhere (NaN), be it for its cell.
    """
    x, y, f, w, cell, dual = atoms.x, atoms.y, atoms.fraction, atoms.moved, atoms.cell, atoms.dual
    info, h, c = atoms.info, INFO * s, 9 * s
    largest, far = 0.0, False
    for p in range(3 * start, 3 * stop, 3):
        for k in range(3):
            f[p + k] = x[p] * dual[c + k] + x[p + 1] * dual[c + 3 + k] + x[p + 2] * dual[c + 6 + k]
            largest = max(largest, abs(x[p + k]))
            far |= not (abs(f[p + k]) < FARTHEST and abs(x[p + k]) < LONGEST)
    atoms.images[s] = FAR if far else 0
    if far or start == stop:
        return
    for k in range(3):
        info[h + k] = info[h + 6 + k] = math.inf
        info[h + 3 + k] = info[h + 9 + k] = -math.inf
    for p in range(3 * start, 3 * stop, 3):
        for k in range(3):
            cells = math.floor(f[p + k])
            w[p + k] = cells
            f[p + k] -= cells
        for k in range(3):
            move = w[p] * cell[c + k] + w[p + 1] * cell[c + 3 + k] + w[p + 2] * cell[c + 6 + k]
            y[p + k] = x[p + k] - move
            far |= not abs(y[p + k]) < LONGEST
            info[h + k] = min(info[h + k], f[p + k])
            info[h + 3 + k] = max(info[h + 3 + k], f[p + k])
            info[h + 6 + k] = min(info[h + 6 + k], y[p + k])
            info[h + 9 + k] = max(info[h + 9 + k], y[p + k])
    atoms.images[s] = FAR if far else _reach(atoms, h, c, start, stop, largest)


@native
def _reach(atoms, h, c, start, stop, largest):
    """Leave reach and doubtful r² in ``info``; return how many images there are at most."""
    cell, dual, info, f = atoms.cell, atoms.dual, atoms.info, atoms.fraction
    cutoff, scale = atoms.cutoff, largest
    for k in range(3):
        row = math.sqrt(cell[c + 3 * k] ** 2 + cell[c + 3 * k + 1] ** 2 + cell[c + 3 * k + 2] ** 2)
        planes = math.sqrt(dual[c + k] ** 2 + dual[c + 3 + k] ** 2 + dual[c + 6 + k] ** 2)
        info[h + 15 + k] = planes
        if planes > 0.0:
            scale += row * ((2 * largest + cutoff) * planes + 2.0)
    slack = max(1e-13 * scale, SHORTEST)
    info[h + 12] = cutoff + slack
    info[h + 13] = max(cutoff - slack, 0.0) ** 2
    info[h + 14] = (cutoff + slack) ** 2
    for k in range(3):
        info[h + 15 + k] *= cutoff + slack
    total = 0.0
    for p in range(3 * start, 3 * stop, 3):
        most = 1.0
        for k in range(3):
            d = info[h + 15 + k]
            most *= math.floor(info[h + 3 + k] + d - f[p + k]) - math.ceil(info[h + k] - d - f[p + k]) + 1.0
        total += most
    return int(min(total, FARTHEST))


@native
def search(atoms, args, thread, threads):
    """Count the edges of each centre into ``rows``, or write them to where their rows begin."""
    structures, n, writing, rows = args[11], args[12], args[13] == WRITE, atoms.rows
    room = _room(args[17] + thread * args[18] * PARTS * 8, args[18])
    share, end = n * thread // threads, n * (thread + 1) // threads
    for s in range(structures):
        start, stop = atoms.offsets[s], atoms.offsets[s + 1]
        if start >= end:
            break
        if stop <= share or stop == start:
            continue
        images = _draw(atoms, s, start, stop, room)
        grid = _grid(atoms, s, images)
        single = grid.nx * grid.ny * grid.nz == 1
        points = room.drawn if single else room.binned
        if single:
            room.first[0], room.first[1] = 0, images
        else:
            _sort_into_bins(grid, images, room)
        for k in range(max(share, start) - start, min(end, stop) - start):
            a = k if single else room.walk[k]
            found = _found(atoms, s, start, a, grid, points, room, writing)
            if writing:
                chosen = room.found if single else ascending(room.found, room.order, found)
                _write(atoms, start, a, chosen, found, room, args)
            else:
                rows[start + a + 1] = found - 1


@native
def _room(address, size):
    """Divide a thread's memory into its parts, ``size`` numbers of 8 bytes each."""
    p = 8 * size
    drawn = Points(doubles(address), doubles(address + p), doubles(address + 2 * p), ints(address + 3 * p))
    address += 4 * p
    binned = Points(doubles(address), doubles(address + p), doubles(address + 2 * p), ints(address + 3 * p))
    address += 4 * p
    return Room(
        drawn,
        binned,
        ints(address),
        ints(address + 2 * p),
        ints(address + 3 * p),
        ints(address + 4 * p),
        ints(address + 5 * p),
        ints(address + 8 * p),
        ints(address + 9 * p),
        ints(address + 10 * p),
    )


@native
def _draw(atoms, s, start, stop, room):
    """All atoms and images within reach of the box, in order of atom and shift; return their number."""
    c, h, f, w, y = 9 * s, INFO * s, atoms.fraction, atoms.moved, atoms.y
    cell, info, record, drawn = atoms.cell, atoms.info, room.record, room.drawn
    reach = info[h + 12]
    d0, d1, d2 = info[h + 15], info[h + 16], info[h + 17]
    low0, low1, low2 = info[h + 6] - reach, info[h + 7] - reach, info[h + 8] - reach
    high0, high1, high2 = info[h + 9] + reach, info[h + 10] + reach, info[h + 11] + reach
    n = 0
    for a in range(stop - start):
        p = 3 * (start + a)
        begin2 = math.ceil(info[h + 2] - d2 - f[p + 2])
        end2 = math.floor(info[h + 5] + d2 - f[p + 2]) + 1
        for t0 in range(math.ceil(info[h] - d0 - f[p]), math.floor(info[h + 3] + d0 - f[p]) + 1):
            begin1 = math.ceil(info[h + 1] - d1 - f[p + 1])
            for t1 in range(begin1, math.floor(info[h + 4] + d1 - f[p + 1]) + 1):
                x0 = y[p] + t0 * cell[c] + t1 * cell[c + 3]
                y0 = y[p + 1] + t0 * cell[c + 1] + t1 * cell[c + 4]
                z0 = y[p + 2] + t0 * cell[c + 2] + t1 * cell[c + 5]
                for t2 in range(begin2, end2):
                    x, q, z = x0 + t2 * cell[c + 6], y0 + t2 * cell[c + 7], z0 + t2 * cell[c + 8]
                    drawn.x[n], drawn.y[n], drawn.z[n], drawn.image[n] = x, q, z, n
                    record[4 * n], record[4 * n + 1] = a, t0 - w[p]
                    record[4 * n + 2], record[4 * n + 3] = t1 - w[p + 1], t2 - w[p + 2]
                    if t0 == 0 and t1 == 0 and t2 == 0:
                        room.home[a] = n
                    inside = (x >= low0) & (x <= high0) & (q >= low1) & (q <= high1)
                    n += inside & (z >= low2) & (z <= high2)
    return n


@native
def _grid(atoms, s, images):
    """Bins as wide as the reach, and four times as fine along the pencils; wider where atoms are rare."""
    info, h = atoms.info, INFO * s
    reach = info[h + 12]
    x, y, z = info[h + 6] - reach, info[h + 7] - reach, info[h + 8] - reach
    wide, deep, high = info[h + 9] + reach - x, info[h + 10] + reach - y, info[h + 11] + reach - z
    nx = ny = nz = 1
    if images > DIRECT:
        most = float(BINS * images)
        nx, ny = int(min(wide / reach, most)), int(min(deep / reach, most))
        nz = int(min(4 * high / reach, most))
        while float(nx) * ny * nz > most:
            if nx >= ny and nx >= nz:
                nx = (nx + 1) // 2
            elif ny >= nz:
                ny = (ny + 1) // 2
            else:
                nz = (nz + 1) // 2
    return Grid(x, y, z, nx / wide, ny / deep, nz / high, wide / nx, deep / ny, nx, ny, nz)


@native
def _sort_into_bins(grid, images, room):
    """Count, then place: images keep their order within a bin. Atoms are walked through in the same order."""
    first, bin_, drawn, binned = room.first, room.bin, room.drawn, room.binned
    bins = grid.nx * grid.ny * grid.nz
    for b in range(bins + 1):
        first[b] = 0
    for q in range(images):
        bx = min(int((drawn.x[q] - grid.x) * grid.wide), grid.nx - 1)
        by = min(int((drawn.y[q] - grid.y) * grid.deep), grid.ny - 1)
        bz = min(int((drawn.z[q] - grid.z) * grid.high), grid.nz - 1)
        bin_[q] = (bx * grid.ny + by) * grid.nz + bz
        first[bin_[q]] += 1
    total = 0
    for b in range(bins + 1):
        first[b], total = total, total + first[b]
    for q in range(images):
        k = first[bin_[q]]
        first[bin_[q]] = k + 1
        binned.x[k], binned.y[k], binned.z[k], binned.image[k] = drawn.x[q], drawn.y[q], drawn.z[q], q
    for b in range(bins, 0, -1):
        first[b] = first[b - 1]
    first[0] = k = 0
    for q in range(images):
        image = binned.image[q]
        a = room.record[4 * image]
        room.walk[k] = a
        k += room.home[a] == image


@native
def _found(atoms, s, start, a, grid, points, room, writing):
    """Number of images, the atom itself included, that are neighbours of a centre; maybe the images too."""
    info, h, p = atoms.info, INFO * s, 3 * (start + a)
    x, y, z = atoms.y[p], atoms.y[p + 1], atoms.y[p + 2]
    near, far = info[h + 13], info[h + 14]
    pencils = _pencils(x, y, z, info[h + 12], grid, room.first, room.runs)
    n, doubtful = _near(x, y, z, near, far, points, room, pencils, writing)
    if doubtful == 0:
        return n
    if not writing:
        _near(x, y, z, near, far, points, room, pencils, not writing)
    return _judged(atoms, s, start, a, room, n)


@native
def _pencils(x, y, z, reach, grid, first, runs):
    """Parts of the pencils that a sphere meets, as begins and ends in the order of bins."""
    n = 0
    x, y, z = x - grid.x, y - grid.y, z - grid.z
    for bx in range(int(max(x - reach, 0.0) * grid.wide), min(int((x + reach) * grid.wide), grid.nx - 1) + 1):
        edge = bx * grid.dx
        d = max(max(edge - x, x - edge - grid.dx), 0.0)
        left = max(reach * reach - d * d, 0.0)
        r = math.sqrt(left)
        for by in range(int(max(y - r, 0.0) * grid.deep), min(int((y + r) * grid.deep), grid.ny - 1) + 1):
            edge = by * grid.dy
            d = max(max(edge - y, y - edge - grid.dy), 0.0)
            r = math.sqrt(max(left - d * d, 0.0))
            row = (bx * grid.ny + by) * grid.nz
            runs[2 * n] = first[row + int(max(z - r, 0.0) * grid.high)]
            runs[2 * n + 1] = first[row + min(int((z + r) * grid.high), grid.nz - 1) + 1]
            n += 1
    return n


@native
def _near(x, y, z, near, far, points, room, pencils, writing):
    """How many points of the pencils are near; bits are left where the reference must decide."""
    n = doubtful = 0
    for k in range(pencils):
        q, end = room.runs[2 * k], room.runs[2 * k + 1]
        while q < end:
            bits = within(points.x, points.y, points.z, q, x, y, z, far) & ((1 << min(end - q, LANES)) - 1)
            doubtful |= bits & ~within(points.x, points.y, points.z, q, x, y, z, near)
            if writing:
                while bits:
                    room.found[n] = points.image[q + lowest_of(bits)]
                    n += 1
                    bits &= bits - 1
            else:
                n += number_of(bits)
            q += LANES
    return n, doubtful


@native
def _judged(atoms, s, start, a, room, n):
    """Keep what the arithmetic of the reference finds within the cutoff, and the atom itself."""
    x, w, cell, record, c, i = atoms.x, atoms.moved, atoms.cell, room.record, 9 * s, 3 * (start + a)
    kept = 0
    for q in range(n):
        image = room.found[q]
        r, j = 4 * image, 3 * (start + record[4 * image])
        s0, s1, s2 = record[r + 1] + w[i], record[r + 2] + w[i + 1], record[r + 3] + w[i + 2]
        dx = x[j] - x[i] + s0 * cell[c] + s1 * cell[c + 3] + s2 * cell[c + 6]
        dy = x[j + 1] - x[i + 1] + s0 * cell[c + 1] + s1 * cell[c + 4] + s2 * cell[c + 7]
        dz = x[j + 2] - x[i + 2] + s0 * cell[c + 2] + s1 * cell[c + 5] + s2 * cell[c + 8]
        room.found[kept] = image
        kept += (dx * dx + dy * dy + dz * dz < atoms.cutoff * atoms.cutoff) | (image == room.home[a])
    return kept


@native
def _write(atoms, start, a, chosen, found, room, args):
    """Write a centre's edges to where its row begins, all but the one to itself."""
    centre, neighbour, shift = longs(args[14]), longs(args[15]), longs(args[16])
    i, home, record, e = start + a, room.home[a], room.record, atoms.rows[start + a]
    w0, w1, w2 = atoms.moved[3 * i], atoms.moved[3 * i + 1], atoms.moved[3 * i + 2]
    for q in range(found):
        image = chosen[q]
        if image != home:
            r, t = 4 * image, 3 * e
            j, s0, s1, s2 = record[r], record[r + 1], record[r + 2], record[r + 3]
            centre[e] = i
            neighbour[e] = start + j
            shift[t], shift[t + 1], shift[t + 2] = s0 + w0, s1 + w1, s2 + w2
            e += 1
