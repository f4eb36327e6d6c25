"""The worlds: simulators and Gymnasium environments."""
