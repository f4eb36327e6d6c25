"""Houses made up from a seed: floor plans, walls, furniture, textures and light."""
