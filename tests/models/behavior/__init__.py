"""Tests of the behaviour family."""
