"""Labels of a run: what data offer, what is derived, what enters networks, what corruptions make."""
