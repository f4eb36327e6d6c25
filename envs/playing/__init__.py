"""Playing in a terminal: what is drawn, and which episodes."""
