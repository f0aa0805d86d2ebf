"""The tiny process that owns one attempt; standard library only."""
