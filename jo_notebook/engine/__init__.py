"""Hands: carries out a plan."""
