"""What an environment needs: as people write it, as projects declare it, and as one spec. Pure."""
