"""Reports of runs: all that a run wrote, as one HTML page to look at and to hand on."""
