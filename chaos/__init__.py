"""What Kumo promises, attacked: `make chaos`. Each scenario counts what the scripts themselves recorded."""
