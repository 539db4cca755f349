"""Neural representations of atoms: learn them, map chemical space with them, build structures from them.

Importing this package does nothing but define the version: no folder is made, no plug-in loaded.
"""

__version__ = "0.1.0"
