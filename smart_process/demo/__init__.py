"""The demo: a local portal, the app installed in it, and one partner conference – with or without people.

It talks to the portal and the app through the doors everybody uses; what it knows beyond them is what an administrator
would type into the settings.
"""
