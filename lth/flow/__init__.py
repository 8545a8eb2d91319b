"""Gradient flow in sparse networks (Evci et al. 2022): the trainings that are compared, and the looks at them."""
