"""The installation itself: health, version, dashboard."""
