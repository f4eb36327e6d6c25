"""Generation of English instructions from the facts of a route (pure text; the worlds supply the facts)."""
