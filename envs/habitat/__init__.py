"""habitat-sim behind the simulator protocol, in worker processes. habitat-sim is needed only to run it."""
