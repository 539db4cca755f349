"""Names of array dimensions, and the types that carry them.

Every public tensor is annotated with one of ``Float``, ``Int`` or ``Bool`` and the names of its axes, for
instance ``Float[Tensor, "edges 3"]``. The names used throughout:

==============  =====================================================================
``structures``  structures in a batch (one structure is a batch of one)
``atoms``       atoms of all structures of a batch, one after the other
``edges``       directed edges of the neighbour graph, sorted by their centre
``lm``          (degree, order) pairs, ``l*l + l + m``, of a feature or of harmonics
``m``           orders -l … l of one degree
``channels``    feature channels; always the last, contiguous axis
``paths``       couplings (l1, l2) → l3 of an equivariant convolution
``basis``       radial basis functions
``species``     kinds of atoms that have weights of their own
==============  =====================================================================

The annotations are checked in the tests only (jaxtyping with beartype); at run time they cost nothing.
"""

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Shaped", "Tensor"]
