"""Command-line programs: the wiring between the task, the worlds and the learners."""
