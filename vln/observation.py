"""Names in observations that environments, tasks and policies share."""

PRIVILEGED = "privileged"
"""Part of an observation that losses may use and actions may not, such as labels of pixels; a dict of its own."""
