"""Recipes: configs and experiments that ship with the package."""
