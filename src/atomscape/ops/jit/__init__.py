"""Native kernels for CPUs: written as SIMD lanes, compiled by LLVM, run on the threads that torch has."""
