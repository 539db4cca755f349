"""Labels from quantum chemistry: structures in, the same structures with energies, gaps and charges out."""
