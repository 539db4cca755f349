"""
The graph of a crystal
======================

A network sees a structure as a graph: each atom and its neighbours within a cutoff, periodic images
included.
"""

# %%
# Rock salt, from ASE. ``from_ase`` takes any number of structures; one structure is a batch of one.
import ase.build
import matplotlib.pyplot as plt
import torch

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.ops.radial import lengths, polynomial_cutoff

salt = from_ase(ase.build.bulk("NaCl", "rocksalt", a=5.64))
graph = neighbour_graph(salt, cutoff=8.0)
print(f"{salt.formulas()[0]}: {graph.n_atoms} atoms in the cell, {graph.n_edges} directed edges")

# %%
# An edge knows its centre, its neighbour, and which image of the neighbour it leads to. The vector from
# centre to neighbour is computed from positions and cell each time it is asked for, so derivatives reach
# both: that is where forces and stress come from.
r = lengths(graph.vectors)
unlike = salt.numbers[graph.centre] != salt.numbers[graph.neighbour]
for distance in r.round(decimals=3).unique():
    shell = (r - distance).abs() < 1e-3
    kind = "unlike" if bool(unlike[shell].all()) else "like"
    print(f"{distance:6.3f} Å   {int(shell.sum()) // graph.n_atoms:3d} neighbours, {kind}")

# %%
# A message is weighted by a function that goes to zero at the cutoff with two continuous derivatives, so
# nothing jumps when an atom crosses it.
distance = torch.linspace(0, 8.5, 400, dtype=torch.float64)
fig, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(7, 4.5), height_ratios=(2, 1))
top.hist([r[unlike], r[~unlike]], bins=85, range=(0, 8.5), stacked=True, label=["Na–Cl", "Na–Na, Cl–Cl"])
top.set_ylabel("edges in the cell")
top.legend(frameon=False)
bottom.plot(distance, polynomial_cutoff(distance, 8.0), color="0.2")
bottom.set(xlabel="distance (Å)", ylabel="cutoff function")
fig.tight_layout()
