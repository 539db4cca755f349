"""Simulation: what an energy that can be differentiated is used for. Calculator, relaxation, dynamics."""
