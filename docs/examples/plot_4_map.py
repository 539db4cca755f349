"""
A map from an embedding
=======================

What ``atomscape embed`` and ``atomscape map`` do, in Python: features of every structure, a projection, and
how far to trust it. The encoder here has random weights; a map of what a network has learned is made the
same way.
"""

# %%
# Embed molecules of the sample. What is kept for each is the mean over its atoms of invariants: scalars,
# and squared lengths of vectors and tensors. Together with them goes where they come from.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from atomscape.atlas.embed import embed
from atomscape.atlas.project import project
from atomscape.atlas.quality import quality
from atomscape.data.load import load
from atomscape.encoders import tfn

store = load("sample")
rows = np.arange(0, len(store), 10)
torch.manual_seed(0)
encoder = tfn.build(tfn.Config(l_max=2, channels=16, layers=2))
embeddings = embed(encoder, store, Path(tempfile.mkdtemp()) / "sample", rows=rows)
print(embeddings)
print([f"{block.name}: {block.channels}" for block in embeddings.card.blocks])
print("data", embeddings.card.origin.data_fingerprint[:12], "model", embeddings.card.origin.model_hash[:12])

# %%
# Principal components keep large distances. Trustworthiness says whether neighbours on the map are
# neighbours in feature space, continuity the reverse; 1 is perfect.
pca = project(embeddings.features, "pca")
places = pca.transform(embeddings.features)
print(quality(pca.standardised(embeddings.features), places.astype(float)))

# %%
# An encoder with random weights already tells molecules apart, which is why a result about a trained one
# needs this control.
oxygen = np.array([formula.count("O") for formula in store[rows].formulas()]) > 0
gap = store.values("gap")[rows]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, sharey=True)
points = left.scatter(*places.T, c=gap, s=8, cmap="viridis")
fig.colorbar(points, ax=left, label="gap (eV)")
for has, label in ((True, "with oxygen"), (False, "without")):
    right.scatter(*places[oxygen == has].T, s=8, label=label)
right.legend(frameon=False)
left.set(xlabel="PCA 1", ylabel="PCA 2")
right.set(xlabel="PCA 1")
fig.tight_layout()
