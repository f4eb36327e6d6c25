"""Studies: several agents compared, trained or evaluated under different conditions."""
