"""Tests of the probability of detection."""
