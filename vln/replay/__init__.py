"""What agents did, shown: top-down maps, animations and the steps in a terminal."""
