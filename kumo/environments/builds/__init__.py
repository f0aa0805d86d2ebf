"""What builds are: rows, directories that never change, logs, and the packages in them."""
