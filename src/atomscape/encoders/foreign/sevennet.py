"""Networks of the package sevenn (Park et al. 2024, arXiv:2402.03789), frozen: features, not forces.

``file`` names a checkpoint, also those that lie in the package itself; without it the network is of random
weights and of the sizes below. Where the package is not installed beside ours, ``ATOMSCAPE_PEER_SEVENNET``
names the interpreter of an environment that has it (``scripts/peers.py``). The file is unpickled: use files
that you trust.

Most of its networks, SevenNet-0 among them, do not tell what is odd under inversion from what is even: their
features turn with the structure, and reflecting it says nothing of them. Such blocks have parity 0.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign import sizes
from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "sevennet"


class Config(BaseModel):
    """Which network; sizes count where no file is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(None, description="a checkpoint of a training")
    modality: str | None = Field(None, description="level of theory, of a network that has several")
    seed: sizes.Seed = 0
    elements: sizes.Elements = sizes.ALL
    l_max: int = Field(2, ge=0, description="largest degree of features and filters")
    channels: sizes.Count = 128
    layers: sizes.Count = 5
    parity: Literal["none", "both"] = "none"
    self_connection: Literal["linear", "nequip"] = "linear"
    cutoff: sizes.Cutoff = 5.0
    n_radial: sizes.RadialFunctions = 8
    average_neighbours: sizes.Neighbours = 10.0


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
    return ForeignEncoder(config, PACKAGE, "sevennet_features", config.model_dump(mode="json"))
