"""How one build is made: taken from the queue, put together by its backend, tried, and published."""
