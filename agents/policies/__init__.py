"""Networks that learners can train, and their parts."""
