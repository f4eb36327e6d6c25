"""Networks that produce language: the speaker, its matching critic, and language models."""
