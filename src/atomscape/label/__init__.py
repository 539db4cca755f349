"""Labels from quantum chemistry: structures in, the same structures with energies, gaps, charges and more out."""
