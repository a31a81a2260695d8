"""The command line: argv to one call into wiring."""
