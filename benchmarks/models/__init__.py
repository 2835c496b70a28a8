"""Networks that are trained in the benchmarks. A function takes the library (PyTorch or pytensor) and makes one."""
