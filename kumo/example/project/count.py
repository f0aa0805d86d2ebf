"""Count slowly, so that there is something to watch and to stop."""

import time

for number in range(1, 121):
    print(f"{number:3} of 120 seconds have passed", flush=True)
    time.sleep(1)
