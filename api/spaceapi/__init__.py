"""A site as SpaceAPI has it."""
