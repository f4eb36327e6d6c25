"""Interpretation of recurrent agents: predicates that explain cells, and attention."""
