"""Data sets from where they are published: what there is, fetching it into the data folder, checking what is there."""
