"""Where records live; every store obeys the same numbered laws."""
