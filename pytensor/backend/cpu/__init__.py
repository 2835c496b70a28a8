"""NumPy arrays and the C++ kernels of pytensor._C."""
