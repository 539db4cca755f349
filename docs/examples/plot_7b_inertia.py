r"""
Moments of inertia
==================

From masses to a symmetric tensor of rank two, about a point. Such a tensor is a scalar and a part of degree
two, :math:`0 \oplus 2`, and each comes by a filter of its own. The recipe is ``atomscape recipe run
inertia``; here it is a shorter one.
"""

# %%
# The law is a sum over masses of :math:`F_0(r)\,1 + F_2(r)(\hat r\hat r - 1/3)` with
# :math:`F_0 = \tfrac23 r^2` and :math:`F_2 = -r^2`. The tensor is known at one point of each cloud only;
# where a label is not known, nothing is learned from it.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import run_experiment
from atomscape.recipes import inertia
from atomscape.recipes._filters import draw, quantiles

out = Path(tempfile.mkdtemp()) / "inertia"
outcome = run_experiment("inertia", {"train": 300, "test": 50, "epochs": 40}, out)
for value in outcome.values:
    print(f"{value.name:45s} {value}")

# %%
# Both functions, read off by a unit mass at distance r from the point.
model = load_model(out / "training")
store = load(str(out / "data"))
clouds = [s.positions.numpy() for s in store[store.split("train")]]
r = quantiles(np.linalg.norm(np.concatenate([x[1:] - x[0] for x in clouds]), axis=1))
fig = draw(inertia.curves(model, r))

# %%
# A cloud that the network has not seen, with the principal axes of its tensor about the point in the middle:
# as learned (orange) and exact (dashed). Their lengths are the moments.
cloud = inertia.labelled(np.random.default_rng(8), [15])
((_, answer),) = predict(model, cloud)
x = cloud.positions.numpy() - cloud.positions.numpy()[0]
m = cloud.labels["mass"].numpy()

fig = plt.figure(figsize=(5.6, 5.2))
ax = fig.add_subplot(projection="3d")
ax.scatter(*x[1:].T, s=90 * m[1:], color="#2e4057", alpha=0.85, depthshade=True)
ax.scatter(0, 0, 0, s=30, color="black")
for tensor, look in (
    (answer["inertia"][0].numpy(), {"color": "#e07b39", "lw": 6, "alpha": 0.6}),
    (cloud.labels["inertia"][0].numpy(), {"color": "black", "lw": 1.2, "ls": (0, (4, 2))}),
):
    moments, axes = np.linalg.eigh(tensor)
    for moment, direction in zip(moments, axes.T, strict=True):
        ends = 0.1 * moment * np.stack([-direction, direction])
        ax.plot(*ends.T, **look)
    print("principal moments", moments.round(3))
ax.set_box_aspect((1, 1, 1), zoom=1.25)
ax.set_axis_off()
