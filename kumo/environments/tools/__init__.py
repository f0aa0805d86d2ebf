"""The programs that are started to find Pythons and to make builds."""
