"""Networks of the package fairchem-core (UMA, Wood et al. 2025, arXiv:2506.23971; eSEN), frozen.

``file`` names a checkpoint for inference, and ``dataset`` the level of theory that a network of several is
asked for, such as ``omat``; without a file the network is of random weights and of the sizes below. Where the
package is not installed beside ours, ``ATOMSCAPE_PEER_UMA`` names the interpreter of an environment that has
it (``scripts/peers.py``). The file is unpickled: use files that you trust.

Its features turn with the structure; reflecting it says nothing of them, so blocks have parity 0. Networks
whose layers end on a grid of the sphere (``feed_forward: grid``, as those of UMA) turn along approximately.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign import sizes
from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "uma"


class Config(BaseModel):
    """Which network; sizes count where no file is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(None, description="a checkpoint for inference")
    dataset: str | None = Field(None, description="level of theory, of a network that has several")
    charge: int = Field(0, ge=-100, le=100, description="e, of every structure")
    spin: int = Field(0, ge=0, le=100, description="multiplicity of every structure; 0: not given")
    seed: sizes.Seed = 0
    l_max: int = Field(2, ge=1, description="largest degree of features")
    m_max: int = Field(2, ge=1, description="largest order of convolutions in frames of edges")
    channels: int = Field(128, ge=2, multiple_of=2)
    hidden_channels: int = Field(128, ge=1, description="inside of a layer")
    layers: sizes.Count = 4
    feed_forward: Literal["spectral", "grid"] = "spectral"
    cutoff: sizes.Cutoff = 6.0
    n_radial: sizes.RadialFunctions = 64


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
    return ForeignEncoder(config, PACKAGE, "uma_features", config.model_dump(mode="json"))
