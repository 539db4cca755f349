"""Pages that are one file: modules inlined, arrays packed, pictures taken of them."""
