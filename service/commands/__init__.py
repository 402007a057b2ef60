"""The commands, what they print, and how they read what people type."""
