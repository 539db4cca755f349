"""Networks of other packages as encoders, ``encoder.kind=foreign.mace``; they need those packages."""
