"""One module a revision; the package above says what each may do."""
