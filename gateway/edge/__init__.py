"""The downstream side: the HTTP guard and the ASGI application."""
