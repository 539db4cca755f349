"""What heads do not train: references per element, shift, scale, and other fits before the first step."""
