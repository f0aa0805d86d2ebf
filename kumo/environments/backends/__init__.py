"""What makes builds of each kind, behind one interface."""
