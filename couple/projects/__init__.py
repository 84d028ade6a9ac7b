"""Where experiments come from: the examples that are installed, new ones made from them, and what a name means.

May import base.
"""
