r"""
Gravity, read off a filter
==========================

A network of one linear layer is shown clouds of a few masses and the accelerations that they feel. It is
told that the answer is a vector, and nothing of Newton. What it learns is one function of the distance, and
that function can be read: :math:`-1/r^2`. The recipe is ``atomscape recipe run gravity``; here it is a
shorter one.
"""

# %%
# Masses enter as scalars, accelerations come out as vectors. On the way is the only filter that turns a
# scalar into a vector, :math:`F_1(r)\,\hat r`. Trained on 2 to 10 masses, it is tested on up to 50.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import run_experiment
from atomscape.recipes import gravity
from atomscape.recipes._filters import batch, distances, draw

out = Path(tempfile.mkdtemp()) / "gravity"
outcome = run_experiment("gravity", {"train": 500, "test": 40, "epochs": 30}, out)
for value in outcome.values:
    print(f"{value.name:45s} {value}")

# %%
# Two points show the function itself: a unit mass at distance r, and what it does to the other point. Below,
# in grey, how often each distance stands in the data.
model = load_model(out / "training")
store = load(str(out / "data"))
r = distances([s.positions.numpy() for s in store[store.split("train")]])
fig = draw([gravity.curve(model, r)])

# %%
# The network has never seen a field. Asked at many points at once, each of mass zero, it shows the one
# around four masses. Closer than 0.5 to a mass there were no data, and nothing is shown.
masses, places = (
    np.array([2.0, 1.0, 1.5, 0.8]),
    np.array([[-1.1, -0.6], [0.9, -1.0], [0.5, 1.0], [-1.0, 1.2]]),
)
axis = np.linspace(-2.2, 2.2, 45)
x, y = np.meshgrid(axis, axis)
points = np.concatenate([places, np.stack([x.ravel(), y.ravel()], 1)])
points = np.pad(points, ((0, 0), (0, 1)))
given = np.concatenate([masses, np.zeros(x.size)])
((_, answer),) = predict(model, batch([points], {"mass": [given]}))
u, v, _ = answer["acceleration"].numpy()[len(masses) :].T.reshape(3, *x.shape)

near = np.min([np.hypot(x - a, y - b) for a, b in places], 0) < 0.5
u, v = np.ma.masked_where(near, u), np.ma.masked_where(near, v)

fig, ax = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
look = {"cmap": "magma", "norm": plt.Normalize(-1.5, 1), "density": 1.6, "linewidth": 1.1, "arrowsize": 0.8}
ax.streamplot(axis, axis, u, v, color=np.log10(np.hypot(u, v)), **look)
ax.scatter(*places.T, s=420 * masses, color="#2e4057", zorder=3)
ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
ax.set_axis_off()
