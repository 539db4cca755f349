"""The network of Thomas et al. 2018 that finds missing atoms, as it was published: to compare with."""
