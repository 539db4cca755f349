r"""
The field of dipoles
====================

Vectors in, vectors out: every point carries a dipole and feels the field of all others,
:math:`(3(p\cdot\hat r)\hat r - p)/r^3`. The recipe is ``atomscape recipe run dipole-field``; here it is a
shorter one.
"""

# %%
# Two filters lead from a vector to a vector, of degree 0 and 2. The law needs the second; the first has to
# learn that it is not asked.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import run_experiment
from atomscape.recipes import dipole_field
from atomscape.recipes._filters import batch, distances, draw

out = Path(tempfile.mkdtemp()) / "dipoles"
outcome = run_experiment("dipole_field", {"train": 500, "test": 100, "epochs": 30}, out)
for value in outcome.values:
    print(f"{value.name:45s} {value}")

# %%
# Both functions as learned, read off by a dipole along and one across the line between two points.
model = load_model(out / "training")
store = load(str(out / "data"))
r = distances([s.positions.numpy() for s in store[store.split("train")]])
fig = draw(dipole_field.curves(model, r))

# %%
# The field lines of one dipole, and of two that point against each other, as the network draws them. Closer
# than 0.7 to a dipole there were no data, and none are shown.
axis = np.linspace(-2.4, 2.4, 49)
x, z = np.meshgrid(axis, axis)
grid = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], 1)

fig, panels = plt.subplots(1, 2, figsize=(9.6, 4.8), layout="constrained")
for ax, sources in zip(panels, ([(0, 0, 1)], [(-0.9, 0, 1), (0.9, 0, -1)]), strict=True):
    places = np.array([(px, 0, pz) for px, pz, _ in sources], dtype=float)
    given = np.array([(0, 0, p) for *_, p in sources], dtype=float)
    points = np.concatenate([places, grid])
    labels = {"source": [np.concatenate([given, np.zeros_like(grid)])]}
    ((_, answer),) = predict(model, batch([points], labels))
    u, _, w = answer["field"].numpy()[len(places) :].T.reshape(3, *x.shape)
    near = np.min([np.hypot(x - a, z - c) for a, _, c in places], 0) < 0.7
    u, w = np.ma.masked_where(near, u), np.ma.masked_where(near, w)
    ax.streamplot(axis, axis, u, w, color=np.log10(np.hypot(u, w)), cmap="magma", density=1.5, arrowsize=0.8)
    for (a, _, c), p in zip(places, given, strict=True):
        ax.add_patch(plt.Circle((a, c), 0.62, color="#eef1f5", zorder=2))
        arrow = {"arrowstyle": "-|>,head_width=0.5,head_length=0.9", "color": "#2e4057", "lw": 4}
        ax.annotate("", (a, c + 0.5 * p[2]), (a, c - 0.5 * p[2]), arrowprops=arrow, zorder=3)
    ax.set(xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal")
    ax.set_axis_off()
