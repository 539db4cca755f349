"""Networks of the package mace-torch (Batatia et al. 2022, arXiv:2206.07697), frozen: features, not forces.

``file`` names a model that the package has saved, for instance a foundation model; without it the network is
of random weights and of the sizes below. Where the package is not installed beside ours,
``ATOMSCAPE_PEER_MACE`` names the interpreter of an environment that has it (``scripts/peers.py``). The file
is unpickled: use files that you trust.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "mace"


class Config(BaseModel):
    """Which network; sizes count where no file is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(None, description="a model that mace-torch has saved")
    seed: int = Field(0, ge=0, description="of random weights")
    elements: tuple[int, ...] = Field(tuple(range(1, 119)), min_length=1, description="atomic numbers")
    l_max: int = Field(3, ge=0, description="largest degree of the filters")
    l_hidden: int = Field(1, ge=0, description="largest degree that goes from layer to layer")
    correlation: int = Field(3, ge=1, description="neighbours that a message sees at once")
    channels: int = Field(64, ge=1)
    layers: int = Field(2, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="radial functions")
    average_neighbours: float = Field(10.0, gt=0)


def absent() -> str:
    """Why its networks cannot be had; nothing if they can."""
    return _absent(PACKAGE)


def build(config: Config) -> ForeignEncoder:
    """Load or make the network.

    Raises
    ------
    LookupError
        The package is neither here nor in an environment that is known.
    """
    return ForeignEncoder(config, PACKAGE, "mace_features", config.model_dump(mode="json"))
