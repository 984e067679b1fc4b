"""The CRM of the sandbox portal: objects, their fields, funnels and items, timeline, tasks and forms."""
