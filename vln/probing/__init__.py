"""Looking inside recurrent agents: what cells tell, what is attended to."""
