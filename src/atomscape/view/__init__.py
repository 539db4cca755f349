"""Structures, and what a network holds of them, drawn: scenes, pictures without a browser, pages in 3D."""
