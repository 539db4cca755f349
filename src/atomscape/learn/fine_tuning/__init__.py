"""Runs that build on other runs: encoders and heads taken over, and adapters of low rank."""
