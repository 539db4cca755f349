"""The laws of encoders, by name; each lives with its kin in one of the files named ``…_laws.py``."""

from atomscape.testing.derivative_laws import check_finite_difference, check_gradients
from atomscape.testing.locality_laws import (
    check_cutoff_continuity,
    check_empty,
    check_isolated_atom,
    check_large_separation,
    check_no_edges,
)
from atomscape.testing.machine_laws import (
    check_alive,
    check_layers,
    check_same_twice,
    check_save_load,
    check_single_precision,
)
from atomscape.testing.symmetry_laws import (
    check_batch_alone,
    check_cubic_site,
    check_lattice_translation,
    check_permutation,
    check_reflection,
    check_rotation,
    check_supercell,
    check_translation,
    check_unimodular_cell,
    claims_equivariance,
)

__all__ = [
    "check_alive",
    "check_batch_alone",
    "check_cubic_site",
    "check_cutoff_continuity",
    "check_empty",
    "check_finite_difference",
    "check_gradients",
    "check_isolated_atom",
    "check_large_separation",
    "check_lattice_translation",
    "check_layers",
    "check_no_edges",
    "check_permutation",
    "check_reflection",
    "check_rotation",
    "check_same_twice",
    "check_save_load",
    "check_single_precision",
    "check_supercell",
    "check_translation",
    "check_unimodular_cell",
    "claims_equivariance",
]
