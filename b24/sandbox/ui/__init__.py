"""The web interface of the sandbox portal: kanban, lists, cards with application tabs, tasks, mail and forms.

It shows and changes the portal through the same REST methods as applications do, run in process in the
name of whoever is signed in, so what a person does here emits the same events.
"""

from b24.sandbox.ui.site import bp

__all__ = ["bp"]
