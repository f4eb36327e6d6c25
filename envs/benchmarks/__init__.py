"""How fast the simulators are."""
