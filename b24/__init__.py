"""The Bitrix24 protocol: transport, tokens, limits, events, placements; nothing of events and guests."""
