"""Networks of other packages behind our contracts; each runs in an environment of its own."""
