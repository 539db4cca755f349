r"""
Harmonics turn with the structure
=================================

A feature of degree :math:`l` turns under a rotation by the Wigner matrix of that degree. Here we draw the
real spherical harmonics, and check the rule :math:`Y_l(R\,r) = D_l(R)\,Y_l(r)` that everything in this
package rests on.
"""

# %%
# Spherical harmonics are polynomials of direction. They stand in the order :math:`m = -l \ldots l`, with z
# as the polar axis, so degree 1 reads y, z, x.
import matplotlib.pyplot as plt
import numpy as np
import torch

from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D

theta, phi = np.mgrid[0 : np.pi : 60j, 0 : 2 * np.pi : 90j]
x, y, z = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)
directions = np.stack([x, y, z], -1)
Y = spherical_harmonics(torch.from_numpy(directions), l_max=2).numpy()

orange, blue = [0.85, 0.37, 0.01, 1.0], [0.12, 0.47, 0.71, 1.0]
fig = plt.figure(figsize=(9, 5.4))
for l in range(3):
    for m in range(-l, l + 1):
        ax = fig.add_subplot(3, 5, 5 * l + m + 3, projection="3d")
        value = Y[..., l * l + l + m]
        surface = directions * np.abs(value)[..., None]
        colours = np.where((value > 0)[..., None], orange, blue)
        ax.plot_surface(*np.moveaxis(surface, -1, 0), facecolors=colours, linewidth=0)
        ax.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), zlim=(-1.7, 1.7))
        ax.set_title(f"l = {l}, m = {m}")
        ax.set_axis_off()
        ax.set_box_aspect((1, 1, 1), zoom=1.35)
fig.tight_layout()

# %%
# Turn a thousand random directions by a random rotation, and compare with the harmonics turned by Wigner
# matrices. The difference is rounding, for high degrees too.
generator = torch.Generator().manual_seed(0)
r = torch.randn(1000, 3, generator=generator, dtype=torch.float64)
R = random_rotation(1, generator=generator, dtype=torch.float64)[0]

before, after = spherical_harmonics(r, 12), spherical_harmonics(r @ R.T, 12)
for l in (0, 1, 2, 4, 8, 12):
    block = slice(l * l, (l + 1) ** 2)
    error = (before[:, block] @ wigner_D(l, R).T - after[:, block]).abs().max()
    print(f"l = {l:2d}   largest error {error:.1e}")
