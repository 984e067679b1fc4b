"""A local Bitrix24 portal: speaks the REST, OAuth, event, placement and form protocol of a real one.

Judged by outsiders (documentation examples, third-party clients, captured traffic), so it imports nothing
of the client side and is never taught a behaviour because the app needs it.
"""
