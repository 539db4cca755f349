r"""
Elastic constants of crystals
=============================

A strain goes in, a stress comes out, both symmetric tensors. In between a network sees no more of a crystal
than where the neighbours of its atoms are. The recipe is ``atomscape recipe run elasticity``.
"""

# %%
# Three lattices are trained along the axes and tested in random orientations. On cubic sites the sums over
# neighbours of all filters but those of degree 0 and 4 vanish. What is left gives three numbers for each
# crystal, and a cubic crystal has three elastic constants.
import tempfile
from pathlib import Path

from atomscape.learn.experiment import run_experiment
from atomscape.recipes import elasticity

out = Path(tempfile.mkdtemp()) / "elasticity"
outcome = run_experiment("elasticity", {}, out)
found = outcome.details["constants in GPa"]
for name, (_, _, given) in elasticity.CRYSTALS.items():
    for label, c, exact in zip(("C11", "C12", "C44"), found[name], given, strict=True):
        print(f"{name:14s} {label}  learned {c:8.3f} GPa   given {exact:6.1f} GPa")

# %%
# What the constants mean: how hard it is to stretch a crystal in each direction (Young's modulus). Above it
# is the distance of the surface from the centre; below, in the plane that holds [001], [111] and [110], the
# learned curve lies on the given one. Metals are stiffest along [111], this simple cubic crystal along its
# bonds.
fig = elasticity.draw({name: tuple(c) for name, c in found.items()})
