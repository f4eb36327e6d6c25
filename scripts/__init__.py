"""Command-line programs of vln: the wiring between the task, the worlds and the learners."""
