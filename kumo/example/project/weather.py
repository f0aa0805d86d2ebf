"""Draw a cloud for each hour of a made-up day, and keep the figures."""

import json
import os
import random
import time
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(force_terminal=True, width=80)
output = Path(os.environ["OUTPUT_DIR"]) / "weather.jsonl"

console.print(f"Run [bold cyan]{os.environ['KUMO_RUN_ID']}[/] of [bold]{os.environ['KUMO_PROJECT']}[/]")
table = Table("hour", "sky", "°C")
for hour in range(6, 22, 3):
    clouds = random.randint(0, 10)
    degrees = round(random.gauss(14, 4), 1)
    table.add_row(f"{hour:02}:00", "☁" * clouds or "☀", str(degrees))
    with output.open("a", encoding="utf-8") as file:
        now = datetime.now(timezone.utc).isoformat()
        file.write(json.dumps({"at": now, "hour": hour, "clouds": clouds, "degrees": degrees}) + "\n")
    console.print(f"[dim]measured {hour:02}:00[/]")
    time.sleep(0.4)
console.print(table)
console.print(f"[green]Kept in {output.name}[/]")
