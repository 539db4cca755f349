r"""
Cross products need odd paths
=============================

A current makes a magnetic field, :math:`v\times\hat r/r^2`. In a mirror the current is reflected as an arrow
is, the field is not: it is a pseudovector. A network that knows both parities learns it; one with natural
parity cannot, whatever its size. The recipe is ``atomscape recipe run cross-product``; here it is a shorter
one.
"""

# %%
# The path from a vector (degree 1) by a filter of degree 1 to a pseudovector (degree 1) is the cross
# product. The sum of these degrees is odd, and such paths exist with ``parity: both``. As control, a network
# without them is told that the field is a true vector: nothing is explained.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import run_experiment
from atomscape.recipes import cross_product
from atomscape.recipes._filters import batch, distances, draw

out = Path(tempfile.mkdtemp()) / "currents"
options = {"train": 500, "test": 100, "epochs": 30, "control_epochs": 5}
outcome = run_experiment("cross_product", options, out)
for value in outcome.values:
    print(f"{value.name:45s} {value}")

# %%
# The function, read off by a current across the line between two points.
model = load_model(out / "training")
store = load(str(out / "data"))
r = distances([s.positions.numpy() for s in store[store.split("train")]])
fig = draw([cross_product.curve(model, r)])

# %%
# A ring of currents, which the network has never seen, and the field in a plane through its axis: a coil.
# Red comes towards us, blue goes away.
angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
ring = 1.2 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
currents = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], 1)
axis = np.linspace(-2.4, 2.4, 49)
x, z = np.meshgrid(axis, axis)
grid = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], 1)
labels = {"current": [np.concatenate([currents, np.zeros_like(grid)])]}
((_, answer),) = predict(model, batch([np.concatenate([ring, grid])], labels))
u, _, w = answer["field"].numpy()[len(ring) :].T.reshape(3, *x.shape)
near = np.hypot(np.abs(x) - 1.2, z) < 0.5
u, w = np.ma.masked_where(near, u), np.ma.masked_where(near, w)

fig, ax = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
look = {"cmap": "magma", "norm": plt.Normalize(-1, 2), "density": 1.6, "linewidth": 1.1, "arrowsize": 0.8}
ax.streamplot(axis, axis, u, w, color=np.log10(np.hypot(u, w)), **look)
for place, colour, mark in ((-1.2, "#d1495b", "."), (1.2, "#00798c", "x")):
    ax.add_patch(plt.Circle((place, 0), 0.3, color=colour, zorder=2))
    ax.plot(place, 0, mark, color="white", ms=12, mew=3, zorder=3)
ax.set(xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal")
ax.set_axis_off()
