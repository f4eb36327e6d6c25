"""The learners: networks, losses, imitation and reinforcement."""
