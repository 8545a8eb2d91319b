"""Gradient flow in sparse networks (Evci et al. 2022): what is compared, the looks at it and at levels of `lth imp`."""
