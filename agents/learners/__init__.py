"""Learning algorithms: each turns experience into steps of the optimiser."""
