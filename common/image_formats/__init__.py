"""Readers of image headers, one file per format; common/image_inspector.py is the only caller."""
