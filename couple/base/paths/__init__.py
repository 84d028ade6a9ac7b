"""Paths: fields that name files, files there whole or not at all, Python of users. Imports `couple.base` alone."""
