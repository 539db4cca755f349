"""Kernels for GPUs of any vendor: Triton source written out from the tables of the algebra."""
