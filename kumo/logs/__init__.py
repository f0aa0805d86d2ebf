"""What runs and builds print, as files."""
