"""Plain array code: slow, obviously right. The oracle of the property tests and the CuPy back end."""
