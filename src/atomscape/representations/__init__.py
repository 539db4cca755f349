"""Fixed representations of structures, for comparison and as baselines: one file is one representation."""
