"""What comes in over HTTP: installation, portal events, registrations, tickets, check-in, flags."""
