"""Estimation of parameters from observations: arrays in, arrays out."""
