r"""
Look inside a network
=====================

What a tensor field network holds: its filters :math:`R(r)\,Y_{lm}(\hat r)`, and the features that it makes of
every atom. The network here is small and trained for seconds on partial charges of a few hundred molecules.
"""

# %%
# Train it, as ``atomscape train`` does.
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.recipe import parse_config
from atomscape.learn.train import train
from atomscape.view.features import features_scene
from atomscape.view.filters import filter_scene, radial_functions
from atomscape.view.molecule import structure_scene
from atomscape.view.notebook import Interactive, Still
from atomscape.view.proposals import Proposal, proposals_scene
from atomscape.view.radial_plot import radial_plot, slice_plot

config = parse_config(
    """
    name: small
    data:
      - {name: sample, source: sample, split: {kind: random, train: 400, val: 100, test: 100}}
    encoder: {kind: tfn, l_max: 2, channels: 8, layers: 2, cutoff: 4.0}
    objectives:
      - {property: charges}
    training: {epochs: 6, batch: {structures: 16}, learning_rate: 0.01, ema: 0.95}
    """
)
folder = Path(tempfile.mkdtemp()) / "run"
train(config, folder, console=Console(quiet=True))
model = load_model(folder)

# %%
# Every path :math:`l_\mathrm{in} \otimes l_\mathrm{filter} \to l_\mathrm{out}` has a radial function per
# channel (grey). The thick line is what they share, and the number how much of their squares it holds. Only
# distances at which atoms stand have been trained.
functions = radial_functions(model.encoder)
figure = radial_plot([f for f in functions if f.layer == 2])

# %%
# Times a harmonic, a radial function is a filter. Here are slices through those of the second layer, with z
# upwards: scalars look at distance alone, degree 1 tells up from down, degree 2 has the shape of a d orbital.
figure = slice_plot([f for f in functions if f.layer == 2])

# %%
# The same in space, for one path: surfaces at a quarter of the largest value. This is a picture; the next
# one can be turned.
path = next(f for f in functions if f.layer == 2 and f.name == "0 ⊗ 2 → 2")
Still(filter_scene(path), height=300)

# %%
# A structure by itself. Turn it with the mouse or the arrow keys; the question mark lists all keys. In a
# shell: ``atomscape view molecule.xyz``.
store = load("sample")
molecule = store[int(np.argmax([len(set(s)) for s in store[slice(0, 200)].formulas()]))]
Interactive(structure_scene(molecule))

# %%
# What the network makes of each atom. Features of degree 1 are vectors, drawn as pairs of spheres, those of
# degree 2 as clover leaves; they turn with the molecule. Channels have no order, so the principal axes of
# channel space are shown. In a shell: ``atomscape view molecule.xyz --model runs/small --features last,2``.
with torch.no_grad():
    embedding = model.encoder(neighbour_graph(molecule, model.cutoff), layers=True)
Interactive(features_scene(molecule, embedding, 2))

# %%
# A probability density in space is drawn as the surfaces that hold half and nine tenths of it. What follows
# is written by hand, to show how proposals of a model that completes structures look: one oxygen atom of the
# molecule is gone, and two places are proposed for it.
oxygen = int((molecule.numbers == 8).nonzero()[0])
kept = [a for a in range(molecule.n_atoms) if a != oxygen]
broken = type(molecule).of(molecule.positions[kept], molecule.numbers[kept])
right = molecule.positions[oxygen].numpy()
wrong = right + np.array([0.0, 0.0, 1.2])


def density(points):
    """Two Gaussians of different weight and width."""
    spots = ((0.8, right, 0.15), (0.2, wrong, 0.25))
    return sum(
        weight * np.exp(-0.5 * ((points - place) ** 2).sum(1) / width**2) / width**3 / (2 * np.pi) ** 1.5
        for weight, place, width in spots
    )


proposals = [Proposal(np.array([8]), right[None], 0.8), Proposal(np.array([7]), wrong[None], 0.2)]
Interactive(proposals_scene(broken, proposals, density))

# %%
# And as a picture, one panel for each proposal.
Still(proposals_scene(broken, proposals, density), height=440)
