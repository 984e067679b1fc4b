"""What people see: tabs inside the portal, the installer, the scanner web app."""
