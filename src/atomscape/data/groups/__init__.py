"""What belongs together in a split: each module names the group of every structure (``name_groups``)."""
