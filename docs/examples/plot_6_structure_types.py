"""
Tetris for crystals
===================

Twenty structure types, each shown to a network once, as one conventional cell. Then it has to name them
turned, strained, rattled, in other cells and from other origins. The recipe is
``atomscape recipe run tetris-periodic``.
"""

# %%
# The types, in their conventional cells; atoms on faces and edges are drawn on all of them. Atoms of the
# first kind are magnesium in every type, of the second oxygen, of the third aluminium, and the shortest
# distance is the same: neither elements nor bond lengths tell a type.
import tempfile
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.manifold import TSNE

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.load import load
from atomscape.data.sources.crystal_prototypes import CHANGES, NAMES, conventional
from atomscape.learn.checkpoint import load_model
from atomscape.learn.experiment import run_experiment

LOOK = {12: ("#2e4057", 1.0), 8: ("#d1495b", 0.75), 13: ("#edae49", 0.9)}
RIGHT, UP, TOWARDS = np.array([[0.91, 0.42, 0], [-0.11, 0.23, 0.97], [0.41, -0.88, 0.26]])


def shown(name):
    """Positions and kinds of the atoms in and on a cell, and the cell."""
    s = conventional(name)
    cell = s.cell[0].numpy()
    fractional = s.positions.numpy() @ np.linalg.inv(cell)
    images = [fractional + shift for shift in product((-1, 0, 1), repeat=3)]
    kept = [((f > -1e-3) & (f < 1 + 1e-3)).all(1) for f in images]
    places = np.concatenate([f[k] for f, k in zip(images, kept, strict=True)]) @ cell
    return places, np.concatenate([s.numbers.numpy()[k] for k in kept]), cell


def draw(ax, name):
    """Edges of the cell, shortest distances as bonds, atoms as balls, the front ones last."""
    places, kinds, cell = shown(name)
    half = np.abs(cell.sum(0)).max() / 2
    for corner in product((0, 1), repeat=3):
        for axis in np.flatnonzero(np.array(corner) == 0):
            ends = np.array([corner, np.array(corner) + np.eye(3)[axis]]) @ cell
            ax.plot(*ends.T, color="0.75", lw=0.7, zorder=0)
    size = 26 / half
    for k, a in enumerate(order := np.argsort(places @ TOWARDS)):
        colour, scale = LOOK[kinds[a]]
        near = order[k + 1 :][np.abs(np.linalg.norm(places[order[k + 1 :]] - places[a], axis=1) - 2.5) < 0.05]
        for b in near:
            ax.plot(*places[[a, b]].T, color="0.55", lw=1.2, zorder=k)
        ball = {"marker": "o", "linestyle": "", "clip_on": False, "zorder": k + 0.5}
        ax.plot(*places[[a]].T, ms=size * scale, mfc=colour, mec="white", mew=0.5, **ball)
        light = places[[a]] + 0.012 * half * scale * (UP - RIGHT) * 2
        ax.plot(*light.T, ms=0.35 * size * scale, mfc="white", mec="none", alpha=0.4, **ball)
    middle = np.ones(3) @ cell / 2
    ax.set(**{f"{k}lim": (m - half, m + half) for k, m in zip("xyz", middle, strict=True)})
    ax.set_box_aspect((1, 1, 1), zoom=1.0)
    ax.view_init(elev=15, azim=-65)
    ax.set_axis_off()
    ax.set_title(name, fontsize=10, y=1.02)


fig = plt.figure(figsize=(10, 9.6))
for k, name in enumerate(NAMES):
    draw(fig.add_subplot(4, 5, k + 1, projection="3d", computed_zorder=False), name)
fig.subplots_adjust(0.02, 0.01, 0.98, 0.95, 0.06, 0.2)

# %%
# Train on the twenty cells, and ask about 1,120 others.
out = Path(tempfile.mkdtemp()) / "types"
outcome = run_experiment("tetris_periodic", {"seed": 0}, out)
for value in outcome.values:
    print(f"{value.name:26s} {value}")
print(outcome.figure)
print(f"least probability of the right type: {outcome.details['least_probability_of_the_right_type']:.3f}")

# %%
# Which type is taken for which.
table = np.array(outcome.details["confusion"])
fig, ax = plt.subplots(figsize=(6.8, 6.2), layout="constrained")
ax.imshow(np.sqrt(table), cmap="BuPu", vmin=0, vmax=9)
for (a, b), n in np.ndenumerate(table):
    if n:
        ax.text(b, a, n, ha="center", va="center", color="white" if n > 20 else "black", fontsize=7)
ax.set_xticks(range(len(NAMES)), NAMES, rotation=90)
ax.set_yticks(range(len(NAMES)), NAMES)
ax.set(xlabel="called", ylabel="type")
ax.spines[:].set_visible(False)
ax.tick_params(length=0)

# %%
# What the network sees of them, on a map that keeps neighbours together (t-SNE): every crystal as a point,
# the cell it was trained on as a ring. Turned crystals, other cells and other origins are the same to the
# network up to rounding; strain and rattling move them a little.
store = load("crystal_prototypes")
model = load_model(out / "run")
head = model.heads["shared:prototype"]


def seen(part):
    """What the last layer of the head reads, and labels."""
    s = store[store.split(part).tolist()]
    kept = []
    hook = head.whole[1].register_forward_hook(lambda module, given, result: kept.append(result))
    with torch.no_grad():
        for start in range(0, len(s), 100):
            model(neighbour_graph(s[start : start + 100], model.cutoff))
    hook.remove()
    return torch.cat(kept).double().numpy(), s.labels["prototype"].long().numpy(), s.ids


known, known_label, _ = seen("train")
asked, asked_label, ids = seen("test")
both = np.concatenate([known, asked])
places = TSNE(perplexity=20, init="pca", random_state=0).fit_transform(both)
change = np.array([i.split("-")[-2] for i in ids])
fig, ax = plt.subplots(figsize=(8, 6.5), layout="constrained")
for c, colour in zip(CHANGES, plt.get_cmap("tab10").colors, strict=False):
    ax.scatter(*places[len(known) :][change == c].T, s=10, color=colour, label=c, alpha=0.8, linewidth=0)
ax.scatter(*places[: len(known)].T, s=90, facecolor="none", edgecolor="black", linewidth=0.8)
for k, name in enumerate(NAMES):
    ax.annotate(name, places[k], xytext=(8, 6), textcoords="offset points", fontsize=8)
ax.legend(frameon=False, ncols=2, fontsize=8)
ax.set_axis_off()
