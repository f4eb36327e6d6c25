"""habitat-sim as a world, in processes of its own. Nothing else imports this, and it needs habitat-sim only to run."""
