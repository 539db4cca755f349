"""What a network does while it learns: how features spread, which paths live, who pulls, how fast it goes."""
