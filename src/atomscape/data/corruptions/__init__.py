"""Corruptions: what is done to structures each time they are drawn, so that undoing it can be learned."""
