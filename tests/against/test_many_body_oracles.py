"""The polynomials of the many-body product span what e3nn finds by reducing tensors with index symmetry."""

from itertools import permutations

import pytest
import torch
from e3nn import o3

from atomscape.ops.symmetric_contraction import SymmetricCoupling


def symmetric_tensors(coupling, order, l):
    """Paths of a degree and order, row m = 0, as full symmetric tensors over lm, each as one row."""
    found = []
    for path, polynomial in zip(coupling.paths, coupling.polynomials, strict=True):
        if len(path.factors) == order and path.out == (0, l):
            full = torch.zeros([coupling.lm_in] * order, dtype=torch.float64)
            for monomial, rows in polynomial.items():
                full[monomial] = rows.get(l * l + l, 0.0)
            found.append(symmetrised(full))
    return torch.stack(found).flatten(1)


def symmetrised(upper):
    """Each monomial's coefficient spread over all orders of its factors."""
    order, total = upper.dim(), torch.zeros_like(upper)
    for i in upper.nonzero().tolist():
        places = {tuple(i[k] for k in p) for p in permutations(range(order))}
        for place in places:
            total[place] += upper[tuple(i)] / len(places)
    return total


@pytest.mark.parametrize(("l_in", "order"), [(1, 2), (2, 2), (1, 3)])
def test_e3nn_reduces_to_the_same_space(l_in, order):
    irreps = o3.Irreps([(1, (l, (-1) ** l)) for l in range(l_in + 1)])
    formula = {2: "ij=ji", 3: "ijk=jik=kji"}[order]
    reduced = o3.ReducedTensorProducts(formula, **dict.fromkeys(formula[:order], irreps))
    coupling = SymmetricCoupling(l_in, 2, order)
    basis = reduced.change_of_basis.double()
    for l in range(3):
        kept = [
            basis[s.start + l :: 2 * l + 1][:mul]
            for (mul, ir), s in zip(reduced.irreps_out, reduced.irreps_out.slices(), strict=True)
            if (ir.l, ir.p) == (l, (-1) ** l)
        ]
        theirs, ours = torch.cat(kept).flatten(1), symmetric_tensors(coupling, order, l)
        assert len(theirs) == len(ours)
        missed = theirs - theirs @ torch.linalg.pinv(ours) @ ours
        assert missed.abs().max() < 1e-6, "e3nn keeps its basis in float32"
