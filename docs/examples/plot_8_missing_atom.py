"""
Put missing atoms back
======================

A molecule lost an atom. Every atom that is left votes on where it was and which element; all votes together
are a probability density. The model used here comes with atomscape.
"""

# %%
# Break a molecule: acetic acid without the carbon of its acid group.
from ase.build import molecule

from atomscape.atoms.ase import from_ase
from atomscape.generate.complete import added, complete
from atomscape.generate.density import density_of
from atomscape.generate.models import completion_model
from atomscape.generate.scoring import proposer
from atomscape.view.notebook import Interactive, Still
from atomscape.view.proposals import Proposal, proposals_scene


def drawn(ways):
    """Completions as the viewer takes them."""
    return [Proposal(w.numbers.numpy(), w.positions.double().numpy(), w.probability) for w in ways]


whole = molecule("CH3COOH")
broken = whole.copy()
del broken[0]
structure = from_ase([broken])

# %%
# Which atom is missing? The proposals are ranked by the probability to be right: the mass of the density of
# their element within 0.5 Å.
model, name = completion_model(None, structure)
ways = complete(proposer(model, 10), structure, missing=1, ranks=3)
for way in ways:
    print(f"{way.probability:6.1%}", way.numbers.tolist(), way.positions.numpy().round(2).tolist())
print("was:  ", [int(whole.numbers[0])], [whole.positions[0].round(2).tolist()])

# %%
# The page can be turned, and the proposals stepped through; the surfaces hold half and nine tenths of the
# density.
Interactive(proposals_scene(structure, drawn(ways), density_of(model, structure)))

# %%
# Several atoms are put back one after the other, keeping the most probable ways: here ethanol lost its whole
# CH₂ group, a carbon and two hydrogens.
whole = molecule("CH3CH2OH")
bonded = whole.get_all_distances() < 1.6
carbon = next(i for i in range(len(whole)) if whole.numbers[i] == 6 and 8 in whole.numbers[bonded[i]])
hydrogens = [i for i in range(len(whole)) if whole.numbers[i] == 1 and whole.get_distance(i, carbon) < 1.2]
group = [carbon, *hydrogens]
broken = whole.copy()
del broken[group]
structure = from_ase([broken])
ways = complete(proposer(model, 10), structure, missing=len(group), ranks=3)
for way in ways:
    print(f"{way.probability:6.1%}", added(structure, way).formulas()[0])

# %%
# Rings mark what was added.
Still(proposals_scene(structure, drawn(ways)))
