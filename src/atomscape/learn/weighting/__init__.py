"""How the terms of a loss are weighed against each other: as given, by their noise, by their gradients."""
