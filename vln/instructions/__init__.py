"""Instructions in English: from what a route passes to sentences (pure text; the worlds fill in the facts)."""
