"""Samples, gradient descent and its pictures."""
