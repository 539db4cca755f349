"""A run on any number of processes and devices: ranks, shared steps, spread weights, repeatable settings."""
