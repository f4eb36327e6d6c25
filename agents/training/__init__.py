"""What every training run shares: trainer, checkpoints, optimiser, workers, logging."""
