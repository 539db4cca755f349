"""
Tetris in space
===============

Eight shapes of four points, each shown to a network once, in one orientation and one place. Then the network
is asked about the same shapes turned, moved and mirrored. The recipe ``atomscape recipe run tetris`` does it
for every kind of symmetry; here are its pictures.
"""

# %%
# Two of the shapes are mirror images of each other. Every other one is its own mirror image.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.load import load
from atomscape.data.sources.tetris import NAMES, SHAPES
from atomscape.learn.checkpoint import load_model
from atomscape.learn.experiment import run_experiment
from atomscape.ops.segment import segment_mean

COLOURS = ["#d1495b", "#edae49", "#66a182", "#2e4057", "#8d96a3", "#00798c", "#7b4b94", "#c17c74"]


def draw(ax, name, colour):
    """Four cubes."""
    points = np.array(SHAPES[name])
    points = points - points.min(0)
    filled = np.zeros(points.max(0) + 1, dtype=bool)
    filled[tuple(points.T)] = True
    ax.voxels(filled, facecolors=colour, edgecolors="white", linewidth=0.8)
    centre = np.array(filled.shape) / 2
    ax.set(**{f"{k}lim": (c - 2, c + 2) for k, c in zip("xyz", centre, strict=True)})
    ax.set_box_aspect((1, 1, 1), zoom=1.5)
    ax.view_init(elev=22, azim=-58)
    ax.set_axis_off()
    ax.set_title(name, y=1.07)


fig = plt.figure(figsize=(9.5, 5.6))
for k, name in enumerate(NAMES):
    draw(fig.add_subplot(2, 4, k + 1, projection="3d"), name, COLOURS[k])
fig.subplots_adjust(0, 0, 1, 0.9, 0, 0.2)

# %%
# Train three networks, a few seconds each. Two know handedness: one has features of both parities, one knows
# rotations only. The third has natural parity: it cannot tell a shape from its mirror image, by construction.
out = Path(tempfile.mkdtemp()) / "tetris"
outcome = run_experiment("tetris", {"seed": 0}, out)
for value in outcome.values:
    print(f"{value.name:55s} {value}")
print(outcome.figure)

# %%
# Which shapes are taken for which, of 50 moved copies of each, half of them mirrored. With natural parity the
# chiral pair is one shape: both get the probability ½, and rounding decides.
fig, axes = plt.subplots(1, 3, figsize=(10.5, 4.3), sharey=True, layout="constrained")
for ax, (mode, title) in zip(
    axes, {"both": "both parities", "so3": "SO(3)", "natural": "natural parity"}.items(), strict=True
):
    table = np.array(outcome.details[mode]["confusion"])
    ax.imshow(table, cmap="BuPu", vmin=0, vmax=60)
    for (a, b), n in np.ndenumerate(table):
        if n:
            ax.text(b, a, n, ha="center", va="center", color="white" if n > 30 else "black", fontsize=8)
    ax.set_xticks(range(8), NAMES, rotation=50, ha="right")
    ax.set_yticks(range(8), NAMES)
    ax.set_title(title)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
axes[0].set_ylabel("moved shape")
fig.supxlabel("called", fontsize=10)

# %%
# What the network with both parities knows after each layer. Invariants of each degree, averaged over the
# four atoms, do not change when a shape is moved. One block is special: pseudoscalars, of degree 0 and odd
# parity. They appear in the third layer, change sign in a mirror, and so vanish on atoms that lie on a mirror
# plane: in every shape but the chiral two, all of them do.
store = load("tetris")
model = load_model(out / "both")
shapes = store[store.split("train").tolist()]
with torch.no_grad():
    embedding = model.encoder(neighbour_graph(shapes, model.cutoff), layers=True)

LETTERS = {(0, 1): "scalars", (1, -1): "vectors", (0, -1): "pseudoscalars", (1, 1): "pseudovectors"}
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
for ax, layer in zip(axes, embedding.layers[1:], strict=True):
    columns = []
    for key in LETTERS:
        size = layer.blocks[key].square().mean((1, 2))
        columns.append(segment_mean(size, shapes.structure, len(shapes)).clamp(min=1e-34).log10())
    image = ax.imshow(torch.stack(columns, 1), cmap="magma", vmin=-4, vmax=4, aspect="auto")
    ax.set_xticks(range(4), LETTERS.values(), rotation=35, ha="right")
    ax.set_yticks(range(8), NAMES)
    ax.set_title(layer.layer)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
fig.colorbar(image, ax=axes, label="mean square, log₁₀", extend="min", pad=0.015)

# %%
# All 400 moved shapes: left, the first two principal components of their invariants; right, the first of
# their pseudoscalars. They fall on eight points, two of which only the pseudoscalars tell apart: a mirror is
# up for down on the right, where the two chiral shapes change places and all others stay at zero.
moved = store[store.split("test").tolist()]
with torch.no_grad():
    e = model.encoder(neighbour_graph(moved, model.cutoff))
invariants = segment_mean(e.invariants(), moved.structure, len(moved)).asinh()
x = (invariants - invariants.mean(0)).numpy()
y = segment_mean(e.degree(0, -1)[:, 0], moved.structure, len(moved)).numpy()
across = x @ np.linalg.svd(x, full_matrices=False)[2][:2].T
up = y @ np.linalg.svd(y, full_matrices=False)[2][0]

label = moved.labels["shape_class"].long().numpy()
fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), width_ratios=(1.3, 1), layout="constrained")
right.axhline(0, color="0.85", lw=1, zorder=0)
for k, name in enumerate(NAMES):
    mine = label == k
    left.scatter(*across[mine].T, s=130, color=COLOURS[k], linewidth=0)
    right.scatter(np.full(mine.sum(), k), up[mine], s=130, color=COLOURS[k], linewidth=0)
    if k:
        words = "chiral 1 and 2" if k == 1 else name
        left.annotate(words, across[mine][0], xytext=(9, 5), textcoords="offset points")
left.set(xlabel="invariants, PCA 1", ylabel="invariants, PCA 2")
left.margins(0.15)
right.set_ylabel("pseudoscalars, PCA 1")
right.set_xticks(range(8), NAMES, rotation=50, ha="right")
right.margins(0.1, 0.2)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
spread = max(float(np.abs(x[label == k] - x[label == k][0]).max()) for k in range(len(NAMES)))
print(f"largest difference between moved copies of one shape: {spread:.0e}")
