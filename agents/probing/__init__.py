"""Measurements on trained networks: activations, gradients, short finetuning."""
