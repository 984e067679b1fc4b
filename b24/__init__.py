"""The Bitrix24 protocol: transport, tokens, limits, events, placements. Knows nothing of events and guests."""
