"""The sigmoid linear unit on CPUs: one pass over memory for each derivative up to the second."""

from __future__ import annotations

from dataclasses import dataclass

from atomscape.ops.activation import silu
from atomscape.ops.jit import launch
from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.exponential import exponential
from atomscape.ops.jit.lanes import Program
from atomscape.ops.jit.pointwise import Pointwise
from atomscape.shapes import Float, Tensor


def serves(z: Tensor) -> str | None:
    """Serve float32 and float64 on the CPU."""
    return launch.declined(z)


def run(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Same as the reference."""
    return _operator(z)


@dataclass(frozen=True)
class Silu:
    """f = z s and df/dz = s + f (1 − s), with s = 1/(1 + e⁻ᶻ) and ds/dz = s (1 − s)."""

    inputs: int = 1
    outputs: int = 1

    def values(self, p: Program, r: list[Dual], scale: Dual) -> list[Dual]:
        """Function itself."""
        return [r[0] * _sigmoid(p, r[0])]

    def gradient(self, p: Program, r: list[Dual], g: list[Dual], scale: Dual) -> list[Dual]:
        """Its slope times the cotangent."""
        s = _sigmoid(p, r[0])
        return [g[0] * (s + r[0] * s * (Dual(p.constant(1.0)) - s))]


def _sigmoid(p: Program, z: Dual) -> Dual:
    s = 1.0 / (exponential(p, -z.value) + 1.0)
    return Dual(s, None if z.tangent is None else s * (1.0 - s) * z.tangent)


_operator = Pointwise(
    "silu",
    "",
    formulae=Silu,
    scale=lambda: 1.0,
    reference=silu.reference,
    vector=False,
    many=False,
).register()
