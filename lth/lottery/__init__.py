"""The lottery: tickets, the levels of iterative magnitude pruning, and the arms that they are compared with."""
