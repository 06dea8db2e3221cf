"""Procedural faces with exact landmarks."""
