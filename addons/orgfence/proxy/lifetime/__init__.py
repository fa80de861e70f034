"""The process: its signals, its limits and its end."""
