"""What a call costs, counted and not timed: instructions, functions entered and memory left behind."""
