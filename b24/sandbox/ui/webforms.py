"""CRM forms: the list for colleagues, and the public page anybody may fill in."""
